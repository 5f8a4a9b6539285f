/*
 * The program under test of the Protocol Buffers conformance runner. The runner writes a request to standard
 * input and reads the response from standard output, each with its length before it (four bytes,
 * little-endian), until it closes the input.
 */
#include "gen/conformance/conformance.pb.h"
#include "rpc/pb.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MAX ((uint32_t)64 << 20)

typedef struct pb_conformance_ConformanceRequest request_t;
typedef struct pb_conformance_ConformanceResponse response_t;

static void set(response_t *response, int32_t which, struct mf_str *member, struct mf_str value)
{
    response->result_case = which;
    *member = value;
}

static void skip(response_t *response, const char *reason)
{
    set(response, pb_conformance_ConformanceResponse_tag_skipped, &response->result.skipped,
        mf_str_from_c(reason));
}

/* Reads the request's payload. False when the response says why there is no message. */
static bool read_payload(struct mf_arena *arena, const request_t *request, const struct pb_type *type,
                         void **msg, response_t *response, struct mf_error *err)
{
    const struct pb_json_options options = {
        .ignore_unknown = request->test_category == pb_conformance_JSON_IGNORE_UNKNOWN_PARSING_TEST};
    enum mf_code code;
    if (request->payload_case == pb_conformance_ConformanceRequest_tag_protobuf_payload) {
        code = pb_decode(arena, type, request->payload.protobuf_payload, msg, err);
    } else if (request->payload_case == pb_conformance_ConformanceRequest_tag_json_payload) {
        code = pb_from_json(arena, type, request->payload.json_payload, &options, msg, err);
    } else {
        skip(response, "only binary and JSON");
        return false;
    }
    if (code != MF_OK)
        set(response, pb_conformance_ConformanceResponse_tag_parse_error, &response->result.parse_error,
            mf_str_from_c(err->message));
    return code == MF_OK;
}

static void answer(struct mf_arena *arena, const request_t *request, response_t *response,
                   struct mf_error *err)
{
    if (mf_str_eq(request->message_type, MF_STR("conformance.FailureSet"))) {
        set(response, pb_conformance_ConformanceResponse_tag_protobuf_payload,
            &response->result.protobuf_payload, MF_STR_EMPTY);
        return;
    }
    const struct pb_type *type = pb_type_find(request->message_type);
    if (!type) {
        skip(response, "only messages of proto3");
        return;
    }
    void *msg;
    struct mf_str out = MF_STR_EMPTY;
    if (!read_payload(arena, request, type, &msg, response, err))
        return;
    enum mf_code code = MF_OK;
    if (request->requested_output_format == pb_conformance_PROTOBUF) {
        code = pb_encode(arena, type, msg, &out, err);
        set(response, pb_conformance_ConformanceResponse_tag_protobuf_payload,
            &response->result.protobuf_payload, out);
    } else if (request->requested_output_format == pb_conformance_JSON) {
        code = pb_to_json(arena, type, msg, NULL, &out, err);
        set(response, pb_conformance_ConformanceResponse_tag_json_payload, &response->result.json_payload,
            out);
    } else {
        skip(response, "only binary and JSON");
    }
    if (code != MF_OK)
        set(response, pb_conformance_ConformanceResponse_tag_serialize_error,
            &response->result.serialize_error, mf_str_from_c(err->message));
}

static bool read_length(uint32_t *length)
{
    unsigned char bytes[4];
    if (fread(bytes, sizeof bytes, 1, stdin) != 1)
        return false;
    *length =
        (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return true;
}

static bool write_message(struct mf_str bytes)
{
    unsigned char length[4];
    for (int i = 0; i < 4; i++)
        length[i] = (unsigned char)(bytes.len >> (8 * i));
    return fwrite(length, sizeof length, 1, stdout) == 1 &&
           (bytes.len == 0 || fwrite(bytes.ptr, bytes.len, 1, stdout) == 1) && fflush(stdout) == 0;
}

/* One request and its response; false when the conversation is broken. */
static bool converse(struct mf_arena *arena, uint32_t length)
{
    struct mf_error err;
    void *request;
    response_t response = {0};
    struct mf_str bytes;
    char *in = mf_arena_bytes(arena, length);
    if (!in || (length > 0 && fread(in, length, 1, stdin) != 1))
        return false;
    if (pb_decode(arena, &pb_conformance_ConformanceRequest_type, mf_str_make(in, length), &request, &err) !=
        MF_OK)
        return false;
    answer(arena, request, &response, &err);
    return pb_encode(arena, &pb_conformance_ConformanceResponse_type, &response, &bytes, NULL) == MF_OK &&
           write_message(bytes);
}

int main(void)
{
    struct mf_arena *arena = mf_arena_new((size_t)1 << 30);
    uint32_t length;
    bool ok = arena != NULL;
    while (ok && read_length(&length)) {
        ok = length <= MESSAGE_MAX && converse(arena, length);
        mf_arena_reset(arena);
    }
    mf_arena_free(arena);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
