#include "cache/cache.h"

#include "base/list.h"
#include "gen/flyteidl2/cacheservice/v2/cacheservice.pb.h"
#include "store/cache.h"

#define KEY_MAX 512
#define OWNER_MAX 512
#define SCOPE_MAX 63
#define URI_MAX 2048
#define HEARTBEAT_MIN_NS INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)

/* Where a request's fields lie: in version 2 beside the scope, in version 1, whose entries belong to no
 * project, in the request itself. */
struct place {
    const struct pb_cacheservice_v2_Identifier *id; /* NULL: no project */
    const char *prefix;                             /* of the names of fields */
};

/* A change of the cache; lives in the arena of its call. */
struct change {
    struct mf_command command;
    struct mf_call *call;
    struct mf_cache_key key;
    struct mf_cache_row row;          /* put */
    bool overwrite;                   /* put */
    int64_t max_age_ns;               /* put; 0: none */
    struct mf_str owner;              /* reservations */
    int64_t heartbeat_ns;             /* reservations */
    struct mf_reservation_row holder; /* result of a reservation */
};

static enum mf_code read_key(const struct place *place, struct mf_str key, struct mf_cache_key *out,
                             struct mf_error *err)
{
    const struct pb_cacheservice_v2_Identifier *id = place->id;
    if (key.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%skey is required", place->prefix);
    if (key.len > KEY_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%skey must have at most %d bytes", place->prefix, KEY_MAX);
    if (id && (id->project.len > SCOPE_MAX || id->domain.len > SCOPE_MAX))
        return mf_fail(err, MF_INVALID_ARGUMENT, "identifier.%s must have at most %d bytes",
                       id->project.len > SCOPE_MAX ? "project" : "domain", SCOPE_MAX);
    out->key = key;
    out->project = id ? id->project : MF_STR_EMPTY;
    out->domain = id ? id->domain : MF_STR_EMPTY;
    return MF_OK;
}

static enum mf_code no_request(struct mf_error *err)
{
    return mf_fail(err, MF_INVALID_ARGUMENT, "base_request is required");
}

/* INT64_MAX for what does not fit. */
static int64_t nanoseconds(int64_t seconds, int32_t nanos)
{
    int64_t total = 0;
    if (__builtin_mul_overflow(seconds, NS_PER_SECOND, &total) ||
        __builtin_add_overflow(total, (int64_t)nanos, &total))
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    return total;
}

static int64_t duration_ns(const struct pb_google_protobuf_Duration *duration)
{
    return duration ? nanoseconds(duration->seconds, duration->nanos) : 0;
}

static struct pb_google_protobuf_Timestamp *timestamp(struct mf_arena *arena, int64_t ns)
{
    struct pb_google_protobuf_Timestamp *time = MF_NEW(arena, struct pb_google_protobuf_Timestamp);
    if (time) {
        time->seconds = ns / NS_PER_SECOND;
        time->nanos = (int32_t)(ns % NS_PER_SECOND);
    }
    return time;
}

static enum mf_code get(struct mf_store *store, struct mf_arena *arena, const struct place *place,
                        const struct pb_cacheservice_GetCacheRequest *request,
                        struct pb_cacheservice_CachedOutput *out, struct mf_error *err)
{
    struct mf_cache_key key;
    struct mf_cache_row row;
    struct mf_db *db = NULL;
    void *decoded = NULL;
    if (!request)
        return no_request(err);
    enum mf_code code = read_key(place, request->key, &key, err);
    if (code == MF_OK)
        code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_cache_get(db, arena, &key, &row, err);
    mf_store_reader_done(store, db);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_cacheservice_Metadata_type, row.metadata, &decoded, err);
    if (code != MF_OK)
        return code;
    struct pb_cacheservice_Metadata *metadata = decoded;
    metadata->created_at = timestamp(arena, row.created_at);
    metadata->last_updated_at = timestamp(arena, row.updated_at);
    out->output_case = pb_cacheservice_CachedOutput_tag_output_uri;
    out->output.output_uri = row.output_uri;
    out->metadata = metadata;
    return metadata->created_at && metadata->last_updated_at ? MF_OK : mf_fail_memory(err);
}

static void answer_get(struct mf_store *store, struct mf_call *call, const struct place *place,
                       const struct pb_cacheservice_GetCacheRequest *request)
{
    struct pb_cacheservice_CachedOutput output = {0};
    const struct pb_cacheservice_GetCacheResponse response = {.output = &output};
    struct mf_error err;
    if (get(store, mf_call_arena(call), place, request, &output, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

/* ---- changes ---- */

static void done_with(struct mf_command *command, enum mf_code code, const struct mf_error *err,
                      const void *response)
{
    struct mf_call *call = MF_CONTAINER(command, struct change, command)->call;
    if (code == MF_OK)
        mf_call_reply(call, response);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

static void submit(struct mf_store *store, struct mf_call *call, struct change *change)
{
    change->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(store), &change->command);
}

/* Whoever waits for the key looks again. */
static void touch(const struct change *change, struct mf_tx *tx)
{
    mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_CACHE, .hash = mf_topic_hash(change->key.key)});
}

static enum mf_code apply_put(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct change *change = MF_CONTAINER(command, struct change, command);
    int64_t now = mf_tx_now_ns(tx);
    int64_t replace_before = INT64_MIN;
    if (change->overwrite)
        replace_before = INT64_MAX;
    else if (change->max_age_ns > 0)
        replace_before = change->max_age_ns < now ? now - change->max_age_ns : 0;
    change->row.updated_at = now;
    if (change->row.created_at == 0)
        change->row.created_at = now;
    enum mf_code code = mf_cache_put(mf_tx_db(tx), &change->row, replace_before, err);
    if (code == MF_OK)
        touch(change, tx);
    return code;
}

static void done_put(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    const struct pb_cacheservice_PutCacheResponse response = {0};
    done_with(command, code, err, &response);
}

static enum mf_code read_output(const struct place *place, const struct pb_cacheservice_CachedOutput *output,
                                struct change *change, struct mf_error *err)
{
    if (!output)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%soutput is required", place->prefix);
    if (output->output_case == pb_cacheservice_CachedOutput_tag_output_literals)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "%soutput.output_literals are not kept; store the outputs and send output_uri",
                       place->prefix);
    if (output->output_case != pb_cacheservice_CachedOutput_tag_output_uri ||
        output->output.output_uri.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%soutput.output_uri is required", place->prefix);
    if (output->output.output_uri.len > URI_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%soutput.output_uri must have at most %d bytes",
                       place->prefix, URI_MAX);
    change->row.output_uri = output->output.output_uri;
    return MF_OK;
}

static enum mf_code prepare_put(struct mf_arena *arena, const struct place *place,
                                const struct pb_cacheservice_PutCacheRequest *request, struct change *change,
                                struct mf_error *err)
{
    if (!request)
        return no_request(err);
    enum mf_code code = read_key(place, request->key, &change->key, err);
    if (code == MF_OK)
        code = read_output(place, request->output, change, err);
    if (code != MF_OK)
        return code;
    change->row.key = change->key;
    change->overwrite = request->overwrite && request->overwrite->overwrite;
    change->max_age_ns = request->overwrite ? duration_ns(request->overwrite->max_age) : 0;
    if (change->max_age_ns < 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%soverwrite.max_age must not be negative", place->prefix);
    const struct pb_cacheservice_Metadata *metadata = request->output->metadata;
    change->row.metadata = MF_STR_EMPTY;
    if (!metadata)
        return MF_OK;
    if (metadata->created_at)
        change->row.created_at = nanoseconds(metadata->created_at->seconds, metadata->created_at->nanos);
    if (change->row.created_at < 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%soutput.metadata.created_at must not be before 1970",
                       place->prefix);
    return pb_encode(arena, &pb_cacheservice_Metadata_type, metadata, &change->row.metadata, err);
}

static void answer_put(struct mf_store *store, struct mf_call *call, const struct place *place,
                       const struct pb_cacheservice_PutCacheRequest *request)
{
    struct mf_error err;
    struct change *change = MF_NEW(mf_call_arena(call), struct change);
    enum mf_code code =
        change ? prepare_put(mf_call_arena(call), place, request, change, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    change->command.apply = apply_put;
    change->command.done = done_put;
    submit(store, call, change);
}

static enum mf_code apply_delete(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    return mf_cache_delete(mf_tx_db(tx), &MF_CONTAINER(command, struct change, command)->key, err);
}

static void done_delete(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    const struct pb_cacheservice_DeleteCacheResponse response = {0};
    done_with(command, code, err, &response);
}

static void answer_delete(struct mf_store *store, struct mf_call *call, const struct place *place,
                          const struct pb_cacheservice_DeleteCacheRequest *request)
{
    struct mf_error err;
    struct change *change = MF_NEW(mf_call_arena(call), struct change);
    enum mf_code code = change ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK)
        code = request ? read_key(place, request->key, &change->key, &err) : no_request(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    change->command.apply = apply_delete;
    change->command.done = done_delete;
    submit(store, call, change);
}

static enum mf_code apply_reserve(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct change *change = MF_CONTAINER(command, struct change, command);
    int64_t now = mf_tx_now_ns(tx);
    const struct mf_reservation_row wanted = {
        .key = change->key,
        .owner = change->owner,
        .heartbeat_ns = change->heartbeat_ns,
        .expires_at = now + MF_CACHE_GRACE * change->heartbeat_ns,
    };
    enum mf_code code =
        mf_reservation_take(mf_tx_db(tx), mf_tx_arena(tx), &wanted, now, &change->holder, err);
    /* The expired ones of others go now and then, so that the table stays as small as what is going on. */
    if (code == MF_OK && mf_tx_next_seq(tx) % 64 == 0)
        code = mf_reservation_purge(mf_tx_db(tx), now, err);
    return code;
}

static void done_reserve(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct change *change = MF_CONTAINER(command, struct change, command);
    const struct mf_reservation_row *holder = &change->holder;
    struct pb_google_protobuf_Duration heartbeat = {
        .seconds = holder->heartbeat_ns / NS_PER_SECOND,
        .nanos = (int32_t)(holder->heartbeat_ns % NS_PER_SECOND),
    };
    struct pb_google_protobuf_Timestamp expires = {
        .seconds = holder->expires_at / NS_PER_SECOND,
        .nanos = (int32_t)(holder->expires_at % NS_PER_SECOND),
    };
    struct pb_cacheservice_Reservation reservation = {
        .key = change->key.key,
        .owner_id = holder->owner,
        .heartbeat_interval = &heartbeat,
        .expires_at = &expires,
    };
    const struct pb_cacheservice_GetOrExtendReservationResponse response = {.reservation = &reservation};
    done_with(command, code, err, &response);
}

static enum mf_code read_owner(const struct place *place, struct mf_str owner, struct change *change,
                               struct mf_error *err)
{
    if (owner.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%sowner_id is required", place->prefix);
    if (owner.len > OWNER_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%sowner_id must have at most %d bytes", place->prefix,
                       OWNER_MAX);
    change->owner = owner;
    return MF_OK;
}

static void answer_reserve(struct mf_store *store, struct mf_call *call, const struct place *place,
                           const struct pb_cacheservice_GetOrExtendReservationRequest *request)
{
    struct mf_error err;
    struct change *change = MF_NEW(mf_call_arena(call), struct change);
    enum mf_code code = change ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK)
        code = request ? read_key(place, request->key, &change->key, &err) : no_request(&err);
    if (code == MF_OK)
        code = read_owner(place, request->owner_id, change, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    int64_t wanted = duration_ns(request->heartbeat_interval);
    if (wanted <= 0 || wanted > MF_CACHE_HEARTBEAT_MAX_NS)
        wanted = MF_CACHE_HEARTBEAT_MAX_NS;
    change->heartbeat_ns = wanted < HEARTBEAT_MIN_NS ? HEARTBEAT_MIN_NS : wanted;
    change->command.apply = apply_reserve;
    change->command.done = done_reserve;
    submit(store, call, change);
}

static enum mf_code apply_release(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct change *change = MF_CONTAINER(command, struct change, command);
    bool changed = false;
    enum mf_code code = mf_reservation_release(mf_tx_db(tx), &change->key, change->owner, &changed, err);
    if (code == MF_OK && changed)
        touch(change, tx);
    return code;
}

static void done_release(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    const struct pb_cacheservice_ReleaseReservationResponse response = {0};
    done_with(command, code, err, &response);
}

static void answer_release(struct mf_store *store, struct mf_call *call, const struct place *place,
                           const struct pb_cacheservice_ReleaseReservationRequest *request)
{
    struct mf_error err;
    struct change *change = MF_NEW(mf_call_arena(call), struct change);
    enum mf_code code = change ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK)
        code = request ? read_key(place, request->key, &change->key, &err) : no_request(&err);
    if (code == MF_OK)
        code = read_owner(place, request->owner_id, change, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    change->command.apply = apply_release;
    change->command.done = done_release;
    submit(store, call, change);
}

/* ---- both versions ---- */

#define HANDLERS(name, request_type)                                                                         \
    static void on_##name##_v1(void *store, struct mf_call *call)                                            \
    {                                                                                                        \
        static const struct place place = {.prefix = ""};                                                    \
        answer_##name(store, call, &place, mf_call_request(call));                                           \
    }                                                                                                        \
    static void on_##name##_v2(void *store, struct mf_call *call)                                            \
    {                                                                                                        \
        const struct pb_cacheservice_v2_##request_type *request = mf_call_request(call);                     \
        const struct place place = {.id = request->identifier, .prefix = "base_request."};                   \
        answer_##name(store, call, &place, request->base_request);                                           \
    }

HANDLERS(get, GetCacheRequest)
HANDLERS(put, PutCacheRequest)
HANDLERS(delete, DeleteCacheRequest)
HANDLERS(reserve, GetOrExtendReservationRequest)
HANDLERS(release, ReleaseReservationRequest)
#undef HANDLERS

enum mf_code mf_cache_serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        const struct pb_service *service;
        size_t method;
        mf_handler handler;
    } methods[] = {
#define METHOD(name, handler)                                                                                \
    {&pb_cacheservice_CacheService_service, pb_cacheservice_CacheService_##name, on_##handler##_v1},         \
        {&pb_cacheservice_v2_CacheService_service, pb_cacheservice_v2_CacheService_##name,                   \
         on_##handler##_v2}
        METHOD(Get, get),
        METHOD(Put, put),
        METHOD(Delete, delete),
        METHOD(GetOrExtendReservation, reserve),
        METHOD(ReleaseReservation, release),
#undef METHOD
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, methods[i].service, methods[i].method, methods[i].handler, store, err);
    return code;
}
