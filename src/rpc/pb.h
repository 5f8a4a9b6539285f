/*
 * The runtime under the generated messages: tables that describe a message, and the one decoder, encoder
 * and copier that walk them.
 *
 * How the generator (tools/) maps a .proto to C:
 *   package      "flyteidl2." is dropped, dots become "_": flyteidl2.workflow.Foo -> struct pb_workflow_Foo,
 *                google.protobuf.Timestamp -> struct pb_google_protobuf_Timestamp, nested A.B -> pb_pkg_A_B
 *   header       one per .proto: flyteidl2/workflow/run_service.proto ->
 * "gen/flyteidl2/workflow/run_service.pb.h" table        extern const struct pb_type pb_workflow_Foo_type;
 *   string,bytes struct mf_str name (absent = empty)
 *   scalars      int32_t, int64_t, uint32_t, uint64_t, float, double, bool; enum fields are int32_t
 *   optional     the same plus bool has_name (strings too)
 *   message      struct pb_T *name, NULL when absent
 *   repeated     struct { T *items; uint32_t count; uint32_t cap; } name; T of messages is struct pb_T *
 *   map          repeated of struct pb_pkg_Msg_NameEntry * {key; value;}
 *   oneof o      int32_t o_case (0 or the number of the field that is set) and union { ... } o
 *   field number enum constant pb_pkg_Msg_tag_field
 *   enum value   pb_ + scope + value name: pb_common_ACTION_PHASE_QUEUED, nested in message:
 * pb_core_ExecutionError_USER service      extern const struct pb_service pb_workflow_RunService_service;
 *                enum constants pb_workflow_RunService_CreateRun = index into its methods
 *   every struct begins with struct pb_head head_ (unknown fields kept from decoding)
 *   a name that is a C keyword gets a trailing "_"
 *
 * Messages live in an arena and may alias the bytes they were decoded from. Tables are constant; every
 * function here is pure and may be called from any thread.
 */
#ifndef MF_RPC_PB_H
#define MF_RPC_PB_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct pb_type; /* rpc/pb_table.h, for the runtime and generated files only */

struct pb_head {
    struct mf_str unknown; /* fields this build does not know, in wire format, written back at the end */
};

struct pb_method {
    const char *name; /* "CreateRun" */
    const char *path; /* "/flyteidl2.workflow.RunService/CreateRun" */
    const struct pb_type *request;
    const struct pb_type *response;
    bool client_streaming;
    bool server_streaming;
    bool no_side_effects; /* may be called by Connect GET */
};

struct pb_service {
    const char *name; /* "flyteidl2.workflow.RunService" */
    const struct pb_method *methods;
    size_t method_count;
};

/* "flyteidl2.workflow.CreateRunRequest" */
const char *pb_type_name(const struct pb_type *type);
/* The type of that full name among those generated, or NULL. */
const struct pb_type *pb_type_find(struct mf_str full_name);

void *pb_new(struct mf_arena *arena, const struct pb_type *type); /* zeroed; NULL when memory ran out */
/* The message aliases bytes, which must live as long as it. MF_INVALID_ARGUMENT on malformed bytes. */
enum mf_code pb_decode(struct mf_arena *arena, const struct pb_type *type, struct mf_str bytes, void **out,
                       struct mf_error *err) MF_CHECK_RESULT;
/* Map entries are written in the order they have. */
enum mf_code pb_encode(struct mf_arena *arena, const struct pb_type *type, const void *msg,
                       struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;
/* Map entries sorted by key, so that equal messages give equal bytes. */
enum mf_code pb_encode_stable(struct mf_arena *arena, const struct pb_type *type, const void *msg,
                              struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;
/* Deep copy; the copy aliases nothing of the original. NULL when memory ran out. */
void *pb_copy(struct mf_arena *arena, const struct pb_type *type, const void *msg);
/* Enforces the buf.validate rules of the IDL (less those in tools' relaxation list): MF_INVALID_ARGUMENT with
 * the path of the field, e.g. "run_id.name: value length must be at most 30 characters". */
enum mf_code pb_validate(const struct pb_type *type, const void *msg, struct mf_error *err) MF_CHECK_RESULT;

/* Makes room for one more element and appends value; false when memory ran out. list is a repeated field. */
#define PB_PUSH(arena, list, value)                                                                          \
    (((list).count < (list).cap ||                                                                           \
      pb_list_grow((arena), (void **)&(list).items, (list).count, &(list).cap, sizeof(*(list).items)))       \
         ? ((list).items[(list).count++] = (value), true)                                                    \
         : false)
bool pb_list_grow(struct mf_arena *arena, void **items, uint32_t count, uint32_t *cap, size_t size);

struct pb_json_options {
    bool ignore_unknown; /* reading: unknown fields are skipped instead of refused */
    bool known_enums;    /* reading: names that an enum does not have are refused even so */
    bool emit_defaults;  /* writing: also fields without presence that hold their default */
    bool proto_names;    /* writing: names as in the .proto instead of lowerCamel */
};

/* ProtoJSON; options may be NULL for all false. The message aliases text, which must live as long as it.
 * Reading fails with MF_INVALID_ARGUMENT and the path of the field; writing with MF_INTERNAL, since what has
 * no form in JSON (a timestamp of the year 10000, an Any of an unknown type) is not the fault of who asks for
 * it. */
enum mf_code pb_from_json(struct mf_arena *arena, const struct pb_type *type, struct mf_str text,
                          const struct pb_json_options *options, void **out,
                          struct mf_error *err) MF_CHECK_RESULT;
enum mf_code pb_to_json(struct mf_arena *arena, const struct pb_type *type, const void *msg,
                        const struct pb_json_options *options, struct mf_str *out,
                        struct mf_error *err) MF_CHECK_RESULT;

#endif
