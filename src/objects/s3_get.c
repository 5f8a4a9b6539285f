#include "objects/s3.h"

#include "base/time.h"
#include "objects/name.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)
/* More than this waiting to be sent is above the high-water mark of the net layer, so that on_drain will
 * come. */
#define QUEUED_MAX ((size_t)256 << 10)
#define READ_TRIES 4
#define HEADERS_MAX (MF_S3_META_MAX + 12)

struct get {
    struct mf_object_row row;
    int status;
    int64_t from, left; /* what of the body is sent */
    struct mf_header headers[HEADERS_MAX];
    size_t header_count;
    struct mf_str piece;
    char *buffer;
};

/* ---- conditions and range ---- */

/* Is the etag in a list like  "a", W/"b", *  ? */
static bool etag_matches(struct mf_str list, struct mf_str etag)
{
    while (list.len > 0) {
        size_t comma = mf_str_find_char(list, ',');
        struct mf_str item = mf_str_trim(mf_str_take(list, comma), MF_STR(" \t"));
        list = comma == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(list, comma + 1);
        if (mf_str_starts(item, MF_STR("W/")))
            item = mf_str_skip(item, 2);
        if (mf_str_eq_c(item, "*") || mf_str_eq(mf_str_trim(item, MF_STR("\"")), etag))
            return true;
    }
    return false;
}

/* "Tue, 24 Nov 2026 09:00:00 GMT"; seconds. */
static bool read_http_date(struct mf_str text, int64_t *seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char rfc3339[32];
    char month[4] = {0};
    int64_t ns;
    if (text.len != 29 || !mf_str_ends(text, MF_STR(" GMT")))
        return false;
    memcpy(month, text.ptr + 8, 3);
    const char *at = strstr(months, month);
    if (!at || (at - months) % 3 != 0)
        return false;
    snprintf(rfc3339, sizeof rfc3339, "%.4s-%02d-%.2sT%.8sZ", text.ptr + 12, (int)(at - months) / 3 + 1,
             text.ptr + 5, text.ptr + 17);
    if (!mf_time_parse_rfc3339(mf_str_from_c(rfc3339), &ns))
        return false;
    *seconds = ns / MF_SECOND_NS;
    return true;
}

/* In the order of RFC 9110, section 13.2.2. */
static void check_conditions(struct mf_s3 *s, const struct mf_object_row *row)
{
    struct mf_str if_match = mf_s3_header(s, "if-match");
    struct mf_str if_none_match = mf_s3_header(s, "if-none-match");
    int64_t modified = row->created_at / MF_SECOND_NS;
    int64_t date;
    if (if_match.ptr) {
        if (!etag_matches(if_match, row->etag))
            mf_s3_fail(s, MF_S3_PreconditionFailed, NULL);
    } else if (read_http_date(mf_s3_header(s, "if-unmodified-since"), &date) && modified > date) {
        mf_s3_fail(s, MF_S3_PreconditionFailed, NULL);
    }
    if (if_none_match.ptr) {
        if (etag_matches(if_none_match, row->etag))
            mf_s3_fail(s, MF_S3_NotModified, NULL);
    } else if (read_http_date(mf_s3_header(s, "if-modified-since"), &date) && modified <= date) {
        mf_s3_fail(s, MF_S3_NotModified, NULL);
    }
}

/* One range; anything else in the header is read as if it were not there, as HTTP allows. */
static void choose_range(struct mf_s3 *s, struct get *get)
{
    struct mf_str range = mf_s3_header(s, "range");
    const struct mf_str unit = MF_STR("bytes=");
    int64_t size = get->row.size;
    int64_t first;
    int64_t last = size - 1;
    get->status = 200;
    get->from = 0;
    get->left = size;
    if (!mf_str_starts(range, unit) || mf_str_find_char(range, ',') != SIZE_MAX)
        return;
    range = mf_str_skip(range, unit.len);
    size_t dash = mf_str_find_char(range, '-');
    struct mf_str end = dash == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(range, dash + 1);
    if (dash == SIZE_MAX)
        return;
    if (dash == 0) {
        if (!mf_str_to_i64(end, &first) || first < 0)
            return;
        first = first < size ? size - first : 0;
        if (mf_str_eq_c(end, "0"))
            first = size;
    } else if (!mf_str_to_i64(mf_str_take(range, dash), &first) || first < 0 ||
               (end.len > 0 && (!mf_str_to_i64(end, &last) || last < first))) {
        return;
    }
    if (last >= size)
        last = size - 1;
    if (first >= size) {
        mf_s3_fail(s, MF_S3_InvalidRange, NULL);
        return;
    }
    get->status = 206;
    get->from = first;
    get->left = last - first + 1;
}

/* ---- headers ---- */

static void add(struct get *get, const char *name, struct mf_str value)
{
    if (get->header_count < HEADERS_MAX && value.ptr)
        get->headers[get->header_count++] = (struct mf_header){mf_str_from_c(name), value};
}

/* A header's value that the signed URL asks for; one with control bytes could add lines of its own. */
static struct mf_str asked(struct mf_s3 *s, const char *param, struct mf_str otherwise)
{
    struct mf_str value = mf_s3_param(s, param);
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
            return otherwise;
    }
    return value.len > 0 ? value : otherwise;
}

static void make_headers(struct mf_s3 *s, struct get *get)
{
    struct mf_str disposition = asked(s, "response-content-disposition", (struct mf_str){0});
    add(get, "content-length", mf_str_printf(s->arena, "%" PRId64, get->left));
    add(get, "content-type", asked(s, "response-content-type", get->row.content_type));
    add(get, "etag", mf_str_printf(s->arena, "\"%.*s\"", MF_FMT(get->row.etag)));
    add(get, "last-modified", mf_time_http(s->arena, get->row.created_at));
    add(get, "accept-ranges", MF_STR("bytes"));
    add(get, "x-content-type-options", MF_STR("nosniff"));
    /* What a task has written is shown by browsers under this server's name: it must not act in it. */
    add(get, "content-security-policy", MF_STR("sandbox allow-scripts allow-popups allow-downloads"));
    if (get->status == 206)
        add(get, "content-range",
            mf_str_printf(s->arena, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, get->from,
                          get->from + get->left - 1, get->row.size));
    size_t before = get->header_count;
    get->header_count += mf_s3_meta_headers(get->row.meta, get->headers + before, HEADERS_MAX - 2 - before);
    if (disposition.ptr) {
        for (size_t i = before; i < get->header_count; i++) {
            if (mf_str_eq_c(get->headers[i].name, "content-disposition"))
                get->headers[i--] = get->headers[--get->header_count];
        }
        add(get, "content-disposition", disposition);
    }
}

/* ---- steps ---- */

static void open_file(struct mf_s3 *s, struct get *get, bool *vanished)
{
    char path[PATH_MAX];
    char file[MF_OBJECT_FILE_MAX];
    *vanished = false;
    if (get->row.file.len == 0)
        return;
    snprintf(file, sizeof file, "%.*s", MF_FMT(get->row.file));
    if (!mf_objects_path(s->objects, file, path, sizeof path)) {
        mf_s3_fail(s, MF_S3_InternalError, NULL);
        return;
    }
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    *vanished = s->fd < 0 && errno == ENOENT;
    if (s->fd < 0 && !*vanished)
        mf_s3_fail(s, MF_S3_ServiceUnavailable, "The object's file cannot be opened.");
}

/* The file of a body that is overwritten just now may be gone when it is opened: then the row is another one.
 */
static void find(struct mf_s3 *s, struct get *get, bool head)
{
    bool vanished = true;
    for (int i = 0; i < READ_TRIES && vanished && s->fault == MF_S3_OK; i++) {
        struct mf_error err;
        struct mf_db *db = NULL;
        enum mf_code code = mf_store_reader(s->objects->store, &db, &err);
        if (code == MF_OK)
            code = mf_object_row_get(db, s->arena, s->objects->bucket, s->name, head, &get->row, &err);
        mf_store_reader_done(s->objects->store, db);
        vanished = false;
        if (code != MF_OK)
            mf_s3_fail_error(s, &err);
        else if (!head)
            open_file(s, get, &vanished);
    }
    if (vanished)
        mf_s3_fail(s, MF_S3_InternalError, "The object's file is missing from the data directory.");
}

static void step_find(struct mf_s3 *s)
{
    struct get *get = s->state;
    find(s, get, mf_str_eq_c(s->request.method, "HEAD"));
    if (s->fault == MF_S3_OK)
        check_conditions(s, &get->row);
    if (s->fault == MF_S3_OK)
        choose_range(s, get);
    if (s->fault == MF_S3_OK)
        make_headers(s, get);
    mf_s3_return(s);
}

static void step_read(struct mf_s3 *s)
{
    struct get *get = s->state;
    size_t want = (uint64_t)get->left < PIECE ? (size_t)get->left : PIECE;
    if (!get->buffer)
        get->buffer = mf_arena_bytes(s->arena, PIECE);
    ssize_t got = get->buffer ? pread(s->fd, get->buffer, want, get->from) : -1;
    if (got <= 0) {
        mf_s3_fail(s, MF_S3_InternalError, NULL);
    } else {
        get->piece = mf_str_make(get->buffer, (size_t)got);
        get->from += got;
        get->left -= got;
    }
    mf_s3_return(s);
}

/* ---- on the loop ---- */

static void finish(struct mf_s3 *s)
{
    if (mf_exchange_finish(s->exchange, NULL, 0) != MF_OK && s->exchange)
        mf_exchange_reset(s->exchange);
}

static void next_write(struct mf_s3 *s)
{
    struct get *get = s->state;
    if (mf_exchange_write(s->exchange, get->piece) != MF_OK) {
        if (s->exchange)
            mf_exchange_reset(s->exchange);
        return;
    }
    if (get->left == 0)
        finish(s);
    else if (mf_exchange_queued(s->exchange) > QUEUED_MAX)
        s->starved = true;
    else
        mf_s3_get_more(s);
}

void mf_s3_get_more(struct mf_s3 *s)
{
    if (s->exchange && !s->busy)
        mf_s3_do(s, step_read, next_write);
}

static void next_answer(struct mf_s3 *s)
{
    struct get *get = s->state;
    bool bodiless = mf_str_eq_c(s->request.method, "HEAD") || get->left == 0;
    s->answered = true;
    if (mf_exchange_respond(s->exchange, get->status, get->headers, get->header_count, bodiless) != MF_OK) {
        if (s->exchange)
            mf_exchange_reset(s->exchange);
        return;
    }
    if (bodiless)
        return;
    if (s->fd >= 0) {
        mf_s3_get_more(s);
        return;
    }
    get->piece = mf_str_take(mf_str_skip(get->row.body, (size_t)get->from), (size_t)get->left);
    get->left = 0;
    next_write(s);
}

void mf_s3_get(struct mf_s3 *s)
{
    s->state = MF_NEW(s->arena, struct get);
    if (!s->state) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_answer_fault(s);
        return;
    }
    mf_s3_do(s, step_find, next_answer);
}
