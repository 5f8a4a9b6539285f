/*
 * ProtoJSON, read and written. The first byte of the input chooses a message and whether the rest is JSON or
 * the wire format. Whatever is read must be writable, read back as the same message, and survive the wire
 * format.
 */
#include "rpc/pb.h"

#include "gen/flyteidl2/common/list.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "gen/google/protobuf/any.pb.h"
#include "gen/google/protobuf/duration.pb.h"
#include "gen/google/protobuf/field_mask.pb.h"
#include "gen/google/protobuf/struct.pb.h"
#include "gen/google/protobuf/timestamp.pb.h"
#include "gen/google/protobuf/wrappers.pb.h"
#include "gen/google/rpc/status.pb.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX ((size_t)64 << 20)
#define FROM_WIRE 0x80

static const struct pb_type *const types[] = {
    &pb_workflow_CreateRunRequest_type,   &pb_core_Literal_type,
    &pb_common_ListRequest_type,          &pb_google_protobuf_Struct_type,
    &pb_google_protobuf_Any_type,         &pb_google_rpc_Status_type,
    &pb_google_protobuf_FieldMask_type,   &pb_google_protobuf_Timestamp_type,
    &pb_google_protobuf_Duration_type,    &pb_google_protobuf_DoubleValue_type,
    &pb_google_protobuf_FloatValue_type,  &pb_google_protobuf_Int64Value_type,
    &pb_google_protobuf_StringValue_type, &pb_google_protobuf_BytesValue_type,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool good, const char *what, const struct mf_error *err)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, err->message);
    abort();
}

/* Running out of memory proves nothing. */
static bool worked(enum mf_code code, const char *what, const struct mf_error *err)
{
    demand(code == MF_OK || code == MF_RESOURCE_EXHAUSTED, what, err);
    return code == MF_OK;
}

static void check(struct mf_arena *arena, const struct pb_type *type, void *msg, bool exact)
{
    struct mf_error err = {.message = ""};
    struct mf_str first, second, wire, again;
    void *back;
    enum mf_code code = pb_to_json(arena, type, msg, NULL, &first, &err);
    if (!exact && code == MF_INTERNAL)
        return; /* not every message has a form in JSON, but every message that came from JSON has */
    if (!worked(code, "writing", &err) ||
        !worked(pb_from_json(arena, type, first, NULL, &back, &err), "reading back", &err) ||
        !worked(pb_to_json(arena, type, back, NULL, &second, &err), "writing again", &err))
        return;
    demand(mf_str_eq(first, second), "the second text differs", &err);
    if (!worked(pb_encode_stable(arena, type, back, &again, &err), "encoding again", &err))
        return;
    if (exact && worked(pb_encode_stable(arena, type, msg, &wire, &err), "encoding", &err))
        demand(mf_str_eq(wire, again), "the wire format differs", &err);
    if (worked(pb_decode(arena, type, again, &back, &err), "decoding", &err) &&
        worked(pb_encode_stable(arena, type, back, &wire, &err), "encoding what was decoded", &err))
        demand(mf_str_eq(wire, again), "the wire format is not stable", &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mf_arena *arena = size > 0 ? mf_arena_new(ARENA_MAX) : NULL;
    struct mf_error err;
    void *msg;
    if (!arena)
        return 0;
    const struct pb_type *type = types[(data[0] & 0x7Fu) % (sizeof types / sizeof *types)];
    bool from_wire = data[0] & FROM_WIRE;
    struct mf_str rest = mf_str_make(data + 1, size - 1);
    const struct pb_json_options lenient = {.ignore_unknown = size % 2 == 0};
    enum mf_code code = from_wire ? pb_decode(arena, type, rest, &msg, &err)
                                  : pb_from_json(arena, type, rest, &lenient, &msg, &err);
    if (code == MF_OK) {
        check(arena, type, msg, !from_wire);
        (void)!pb_validate(type, msg, &err);
    }
    mf_arena_free(arena);
    return 0;
}
