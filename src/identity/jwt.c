#include "identity/jwt.h"

#include "base/encode.h"
#include "identity/object.h"

#define AUDIENCES_MAX 64
#define CLAIM_MAX 1024

typedef struct pb_google_protobuf_Value value_t;
typedef struct pb_google_protobuf_Struct object_t;

static enum mf_code malformed(struct mf_error *err, const char *what)
{
    return mf_fail(err, MF_UNAUTHENTICATED, "the token is not a valid JSON Web Token: %s; sign in again",
                   what);
}

static bool read_text(const object_t *object, const char *name, struct mf_str *out)
{
    return mf_object_text(object, name, out) && out->len <= CLAIM_MAX;
}

static bool read_time(const object_t *object, const char *name, bool *given, double *out)
{
    const value_t *value = mf_object_find(object, name);
    *given = value != NULL;
    *out = 0;
    if (!value)
        return true;
    if (value->kind_case != pb_google_protobuf_Value_tag_number_value)
        return false;
    *out = value->kind.number_value;
    return true;
}

/* One text or a list of texts. */
static bool read_audiences(struct mf_arena *arena, const object_t *object, struct mf_claims *out)
{
    const value_t *value = mf_object_find(object, "aud");
    if (!value)
        return true;
    bool list = value->kind_case == pb_google_protobuf_Value_tag_list_value;
    size_t count = list ? 0 : 1;
    if (list && value->kind.list_value)
        count = value->kind.list_value->values.count;
    struct mf_str *items = count <= AUDIENCES_MAX ? mf_arena_array(arena, count + 1, sizeof *items) : NULL;
    if (!items)
        return false;
    for (size_t i = 0; i < count; i++) {
        const value_t *item = list ? value->kind.list_value->values.items[i] : value;
        if (item->kind_case != pb_google_protobuf_Value_tag_string_value)
            return false;
        items[i] = item->kind.string_value;
    }
    out->audiences = items;
    out->audience_count = count;
    return true;
}

enum mf_code mf_jwt_split(struct mf_arena *arena, struct mf_str text, struct mf_jwt *out,
                          struct mf_error *err)
{
    *out = (struct mf_jwt){0};
    const object_t *header = NULL;
    struct mf_str json;
    size_t first = mf_str_find_char(text, '.');
    if (text.len > MF_JWT_MAX || first == SIZE_MAX)
        return malformed(err, "it needs three parts");
    struct mf_str rest = mf_str_skip(text, first + 1);
    size_t second = mf_str_find_char(rest, '.');
    if (second == SIZE_MAX || mf_str_find_char(mf_str_skip(rest, second + 1), '.') != SIZE_MAX)
        return malformed(err, "it needs three parts");
    out->signed_text = mf_str_take(text, first + 1 + second);
    if (!mf_base64_decode(arena, mf_str_take(text, first), &json) ||
        !mf_base64_decode(arena, mf_str_take(rest, second), &out->payload) ||
        !mf_base64_decode(arena, mf_str_skip(rest, second + 1), &out->signature))
        return malformed(err, "a part is not base64");
    if (!mf_json_object(arena, json, &header))
        return malformed(err, "its header is no JSON object");
    if (!read_text(header, "alg", &out->alg) || !read_text(header, "kid", &out->kid))
        return malformed(err, "alg and kid are texts");
    /* RFC 7515, 4.1.11: what a token declares critical must be understood, and nothing is. */
    return mf_object_find(header, "crit") ? malformed(err, "it has critical extensions") : MF_OK;
}

enum mf_code mf_claims_read(struct mf_arena *arena, struct mf_str json, struct mf_claims *out,
                            struct mf_error *err)
{
    *out = (struct mf_claims){0};
    const object_t *object = NULL;
    bool given;
    struct mf_caller *caller = &out->caller;
    if (!mf_json_object(arena, json, &object))
        return malformed(err, "its claims are no JSON object");
    const struct {
        const char *name;
        struct mf_str *text;
    } texts[] = {
        {"sub", &caller->subject},
        {"email", &caller->email},
        {"given_name", &caller->given_name},
        {"family_name", &caller->family_name},
        {"name", &caller->name},
        {"preferred_username", &caller->preferred_username},
        {"picture", &caller->picture},
        {"iss", &out->issuer},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!read_text(object, texts[i].name, texts[i].text))
            return mf_fail(err, MF_UNAUTHENTICATED,
                           "the token's claim \"%s\" must be a text of at most %d bytes", texts[i].name,
                           CLAIM_MAX);
    }
    if (!read_time(object, "exp", &out->expires, &out->expires_at) ||
        !read_time(object, "nbf", &given, &out->not_before))
        return malformed(err, "exp and nbf are numbers");
    return read_audiences(arena, object, out) ? MF_OK : malformed(err, "aud is a text or a list of texts");
}
