#include "objects/s3.h"

#include "base/encode.h"
#include "base/time.h"
#include "objects/xml.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX 1000

struct list {
    struct mf_s3 *s;
    bool v2, encode, fetch_owner;
    struct mf_str prefix, delimiter, after;
    struct mf_str from; /* names at or after it are still to come */
    size_t max, count;
    bool over;      /* nothing more to look for */
    bool truncated; /* more would have come; from is where */
    bool jumped;    /* from was set to skip a common prefix */
    size_t visited;
    struct mf_str last; /* what was listed last */
    struct mf_buf prefixes;
};

/* The lowest text above all that begin with text; .ptr NULL when there is none. Names are UTF-8, whose byte
 * order is that of the characters, so the last character is raised. */
static struct mf_str successor(struct mf_arena *arena, struct mf_str text)
{
    while (text.len > 0) {
        size_t start = text.len - 1;
        while (start > 0 && ((unsigned char)text.ptr[start] & 0xc0) == 0x80)
            start--;
        unsigned char lead = (unsigned char)text.ptr[start];
        uint32_t c = lead < 0x80   ? lead
                     : lead < 0xe0 ? lead & 0x1fu
                     : lead < 0xf0 ? lead & 0x0fu
                                   : lead & 0x07u;
        for (size_t i = start + 1; i < text.len; i++)
            c = c << 6 | ((unsigned char)text.ptr[i] & 0x3fu);
        c = c == 0xd7ff ? 0xe000 : c + 1;
        text.len = start;
        if (c > 0x10ffff)
            continue;
        char raised[5] = {0};
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = len - 1; i > 0; i--, c >>= 6)
            raised[i] = (char)(0x80 | (c & 0x3f));
        raised[0] = len == 1 ? (char)c : (char)((0xf00u >> len) | c);
        return mf_str_printf(arena, "%.*s%s", MF_FMT(text), raised);
    }
    return (struct mf_str){0};
}

static struct mf_str shown(struct list *list, struct mf_str name)
{
    return list->encode ? mf_percent_encode(list->s->arena, name, "/") : name;
}

static void add_object(struct list *list, const struct mf_object_row *row)
{
    struct mf_s3 *s = list->s;
    mf_buf_add_c(&s->out, "<Contents>");
    mf_xml_element(&s->out, "Key", shown(list, row->name));
    mf_xml_element(&s->out, "LastModified",
                   mf_time_rfc3339(s->arena, row->created_at / MF_MS_NS * MF_MS_NS, true));
    mf_buf_printf(&s->out, "<ETag>&quot;%.*s&quot;</ETag><Size>%" PRId64 "</Size>", MF_FMT(row->etag),
                  row->size);
    if (list->fetch_owner)
        mf_buf_add_c(&s->out, "<Owner><ID>mayfly</ID></Owner>");
    mf_buf_add_c(&s->out, "<StorageClass>STANDARD</StorageClass></Contents>");
}

static bool visit(void *ctx, const struct mf_object_row *row)
{
    struct list *list = ctx;
    struct mf_arena *arena = list->s->arena;
    list->visited++;
    if (!mf_str_starts(row->name, list->prefix)) {
        list->over = true;
        return false;
    }
    if (list->count == list->max) {
        list->truncated = list->over = true;
        list->from = mf_str_copy(arena, row->name);
        return false;
    }
    list->count++;
    struct mf_str rest = mf_str_skip(row->name, list->prefix.len);
    size_t at = list->delimiter.len > 0 ? mf_str_find(rest, list->delimiter) : SIZE_MAX;
    if (at == SIZE_MAX) {
        list->last = mf_str_copy(arena, row->name);
        add_object(list, row);
        return true;
    }
    list->last = mf_str_copy(arena, mf_str_take(row->name, list->prefix.len + at + list->delimiter.len));
    mf_buf_add_c(&list->prefixes, "<CommonPrefixes>");
    mf_xml_element(&list->prefixes, "Prefix", shown(list, list->last));
    mf_buf_add_c(&list->prefixes, "</CommonPrefixes>");
    list->from = successor(arena, list->last);
    list->jumped = list->from.ptr != NULL;
    list->over = !list->jumped;
    return false;
}

static enum mf_code walk(struct list *list, struct mf_error *err)
{
    struct mf_s3 *s = list->s;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(s->objects->store, &db, err);
    while (code == MF_OK && !list->over) {
        size_t limit = list->max - list->count + 1;
        list->visited = 0;
        list->jumped = false;
        code = mf_object_row_list(db, s->objects->bucket, list->from, limit, visit, list, err);
        if (!list->jumped && list->visited < limit)
            list->over = true;
    }
    mf_store_reader_done(s->objects->store, db);
    return code;
}

static void write_tail(struct list *list)
{
    struct mf_buf *out = &list->s->out;
    struct mf_arena *arena = list->s->arena;
    mf_buf_add_str(out, mf_buf_str(&list->prefixes));
    mf_xml_element(out, "Name", list->s->objects->bucket);
    mf_xml_element(out, "Prefix", shown(list, list->prefix));
    if (list->delimiter.len > 0)
        mf_xml_element(out, "Delimiter", shown(list, list->delimiter));
    if (list->encode)
        mf_buf_add_c(out, "<EncodingType>url</EncodingType>");
    mf_buf_printf(out, "<MaxKeys>%zu</MaxKeys><IsTruncated>%s</IsTruncated>", list->max,
                  list->truncated ? "true" : "false");
    if (list->v2) {
        struct mf_str token = mf_s3_param(list->s, "continuation-token");
        mf_buf_printf(out, "<KeyCount>%zu</KeyCount>", list->count);
        if (token.ptr)
            mf_xml_element(out, "ContinuationToken", token);
        if (list->after.len > 0)
            mf_xml_element(out, "StartAfter", shown(list, list->after));
        if (list->truncated)
            mf_xml_element(out, "NextContinuationToken", mf_base64url(arena, list->from));
    } else {
        mf_xml_element(out, "Marker", shown(list, list->after));
        if (list->truncated)
            mf_xml_element(out, "NextMarker", shown(list, list->last));
    }
    mf_buf_add_c(out, "</ListBucketResult>");
}

static void step_list(struct mf_s3 *s)
{
    struct list *list = s->state;
    struct mf_error err;
    list->prefixes = MF_BUF_INIT(s->out.max);
    mf_buf_add_c(&s->out, MF_XML_HEAD "<ListBucketResult" MF_XML_S3 ">");
    if (list->max > 0 && walk(list, &err) != MF_OK)
        mf_s3_fail_error(s, &err);
    write_tail(list);
    if (mf_buf_failed(&list->prefixes))
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
    mf_buf_free(&list->prefixes);
    mf_s3_return(s);
}

/* Where to begin: at the token, or after the name given. Names hold no control characters, so nothing lies
 * between a name and the name with \1 at its end. */
static void find_start(struct mf_s3 *s, struct list *list)
{
    struct mf_str token = mf_s3_param(s, "continuation-token");
    struct mf_str from = MF_STR_EMPTY;
    list->after = mf_s3_param(s, list->v2 ? "start-after" : "marker");
    if (list->v2 && token.ptr) {
        if (token.len == 0 || !mf_base64_decode(s->arena, token, &from) || !mf_utf8_valid(from.ptr, from.len))
            mf_s3_fail(s, MF_S3_InvalidArgument, "The continuation token is not one of this server.");
    } else if (list->after.len > 0) {
        bool whole_prefix = !list->v2 && list->delimiter.len > 0 && mf_str_ends(list->after, list->delimiter);
        from = whole_prefix ? successor(s->arena, list->after)
                            : mf_str_printf(s->arena, "%.*s\x01", MF_FMT(list->after));
    }
    list->from = mf_str_cmp(from, list->prefix) > 0 ? from : list->prefix;
}

static bool text_ok(struct mf_str text)
{
    return mf_utf8_valid(text.ptr, text.len) && mf_str_find_char(text, '\0') == SIZE_MAX;
}

void mf_s3_list(struct mf_s3 *s)
{
    struct list *list = MF_NEW(s->arena, struct list);
    struct mf_str type = mf_s3_param(s, "list-type");
    struct mf_str max = mf_s3_param(s, "max-keys");
    int64_t number = KEYS_MAX;
    if (!list) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_answer_fault(s);
        return;
    }
    s->state = list;
    list->s = s;
    list->v2 = mf_str_eq_c(type, "2");
    list->encode = mf_str_eq_c(mf_s3_param(s, "encoding-type"), "url");
    list->fetch_owner = !list->v2 || mf_str_eq_c(mf_s3_param(s, "fetch-owner"), "true");
    list->prefix = mf_s3_param(s, "prefix");
    list->delimiter = mf_s3_param(s, "delimiter");
    if (max.len > 0 && (!mf_str_to_i64(max, &number) || number < 0))
        mf_s3_fail(s, MF_S3_InvalidArgument, "max-keys is a number from 0 to 1000.");
    list->max = number > KEYS_MAX ? KEYS_MAX : (size_t)number;
    find_start(s, list);
    if (!text_ok(list->prefix) || !text_ok(list->delimiter) || !text_ok(list->after) || !text_ok(list->from))
        mf_s3_fail(s, MF_S3_InvalidArgument, "prefix, delimiter and marker are UTF-8 text.");
    if (s->fault != MF_S3_OK)
        mf_s3_answer_fault(s);
    else
        mf_s3_do(s, step_list, mf_s3_answer_xml);
}
