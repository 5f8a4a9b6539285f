/*
 * Decoding whatever bytes, and encoding what came of it: the first byte picks the type, the rest is the
 * message. What decodes must encode, decode to the same again, and copy to the same.
 */
#include "fuzz.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "gen/google/protobuf/descriptor.pb.h"
#include "gen/google/protobuf/struct.pb.h"
#include "gen/sample.pb.h"
#include "rpc/pb.h"

#define ARENA_MAX ((size_t)256 << 20)

static struct mf_str stable(struct mf_arena *arena, const struct pb_type *type, const void *msg)
{
    struct mf_str out;
    FUZZ_CHECK(pb_encode_stable(arena, type, msg, &out, NULL) == MF_OK);
    return out;
}

static void check(struct mf_arena *arena, const struct pb_type *type, struct mf_str bytes)
{
    void *first, *second;
    struct mf_str plain, again;
    struct mf_error err;
    enum mf_code code = pb_decode(arena, type, bytes, &first, &err);
    FUZZ_CHECK(code == MF_OK || code == MF_INVALID_ARGUMENT || code == MF_RESOURCE_EXHAUSTED);
    FUZZ_CHECK((code == MF_OK) == (first != NULL));
    if (code != MF_OK)
        return;
    struct mf_str sorted = stable(arena, type, first);
    FUZZ_CHECK(pb_encode(arena, type, first, &plain, NULL) == MF_OK);
    FUZZ_CHECK(plain.len == sorted.len);
    FUZZ_CHECK(pb_decode(arena, type, plain, &second, NULL) == MF_OK);
    FUZZ_CHECK(pb_encode(arena, type, second, &again, NULL) == MF_OK);
    FUZZ_CHECK(mf_str_eq(plain, again));
    FUZZ_CHECK(mf_str_eq(stable(arena, type, second), sorted));
    void *copy = pb_copy(arena, type, first);
    FUZZ_CHECK(copy != NULL);
    FUZZ_CHECK(mf_str_eq(stable(arena, type, copy), sorted));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pb_type *const types[] = {
        &pb_sample_Everything_type, &pb_workflow_CreateRunRequest_type,
        &pb_google_protobuf_FileDescriptorProto_type, &pb_google_protobuf_Value_type};
    if (size == 0)
        return 0;
    struct mf_arena *arena = mf_arena_new(ARENA_MAX);
    FUZZ_CHECK(arena != NULL);
    check(arena, types[data[0] % (sizeof types / sizeof *types)], mf_str_make(data + 1, size - 1));
    mf_arena_free(arena);
    return 0;
}
