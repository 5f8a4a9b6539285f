#include "rpc/reflection.h"

#include "gen/grpc_reflection/v1alpha/reflection.pb.h"
#include "rpc/descriptors.h"
#include "rpc/pb_file.h"

typedef struct pb_grpc_reflection_v1alpha_ServerReflectionRequest request_t;
typedef struct pb_grpc_reflection_v1alpha_ServerReflectionResponse response_t;

enum {
    LIST_SERVICES = pb_grpc_reflection_v1alpha_ServerReflectionRequest_tag_list_services,
    BY_NAME = pb_grpc_reflection_v1alpha_ServerReflectionRequest_tag_file_by_filename,
    BY_SYMBOL = pb_grpc_reflection_v1alpha_ServerReflectionRequest_tag_file_containing_symbol,
    BY_EXTENSION = pb_grpc_reflection_v1alpha_ServerReflectionRequest_tag_file_containing_extension,
    NUMBERS = pb_grpc_reflection_v1alpha_ServerReflectionRequest_tag_all_extension_numbers_of_type,
};

/* Building one response: everything lives in the arena. */
struct answer {
    struct mf_rpc *rpc;
    struct mf_arena *arena;
    response_t *response;
    bool failed; /* memory ran out */
};

static void not_found(struct answer *answer, struct mf_str what)
{
    struct pb_grpc_reflection_v1alpha_ErrorResponse *error =
        pb_new(answer->arena, &pb_grpc_reflection_v1alpha_ErrorResponse_type);
    if (!error) {
        answer->failed = true;
        return;
    }
    error->error_code = MF_NOT_FOUND;
    error->error_message =
        mf_str_printf(answer->arena, "this server knows no \"%.*s\"", MF_FMT(mf_str_take(what, 200)));
    answer->response->message_response_case =
        pb_grpc_reflection_v1alpha_ServerReflectionResponse_tag_error_response;
    answer->response->message_response.error_response = error;
}

static void answer_file(struct answer *answer, const struct pb_file *file, struct mf_str what)
{
    const struct pb_file **files = NULL;
    size_t count = 0;
    if (!file) {
        not_found(answer, what);
        return;
    }
    struct pb_grpc_reflection_v1alpha_FileDescriptorResponse *out =
        pb_new(answer->arena, &pb_grpc_reflection_v1alpha_FileDescriptorResponse_type);
    if (!out || !mf_descriptors_closure(answer->arena, file, &files, &count)) {
        answer->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!PB_PUSH(answer->arena, out->file_descriptor_proto, files[i]->bytes))
            answer->failed = true;
    }
    answer->response->message_response_case =
        pb_grpc_reflection_v1alpha_ServerReflectionResponse_tag_file_descriptor_response;
    answer->response->message_response.file_descriptor_response = out;
}

static bool add_service(void *ctx, const struct pb_service *service)
{
    struct answer *answer = ctx;
    struct pb_grpc_reflection_v1alpha_ListServiceResponse *list =
        answer->response->message_response.list_services_response;
    struct pb_grpc_reflection_v1alpha_ServiceResponse *item =
        pb_new(answer->arena, &pb_grpc_reflection_v1alpha_ServiceResponse_type);
    if (!item || !PB_PUSH(answer->arena, list->service, item)) {
        answer->failed = true;
        return false;
    }
    item->name = mf_str_from_c(service->name);
    return true;
}

static void answer_services(struct answer *answer)
{
    struct pb_grpc_reflection_v1alpha_ListServiceResponse *list =
        pb_new(answer->arena, &pb_grpc_reflection_v1alpha_ListServiceResponse_type);
    if (!list) {
        answer->failed = true;
        return;
    }
    answer->response->message_response_case =
        pb_grpc_reflection_v1alpha_ServerReflectionResponse_tag_list_services_response;
    answer->response->message_response.list_services_response = list;
    mf_rpc_each_service(answer->rpc, add_service, answer);
}

static void answer_numbers(struct answer *answer, struct mf_str type)
{
    const int32_t *numbers = NULL;
    uint32_t count = 0;
    if (!mf_descriptors_symbol(answer->arena, type)) {
        not_found(answer, type);
        return;
    }
    struct pb_grpc_reflection_v1alpha_ExtensionNumberResponse *out =
        pb_new(answer->arena, &pb_grpc_reflection_v1alpha_ExtensionNumberResponse_type);
    if (!out || !mf_descriptors_extension_numbers(answer->arena, type, &numbers, &count)) {
        answer->failed = true;
        return;
    }
    out->base_type_name = type;
    for (uint32_t i = 0; i < count; i++) {
        if (!PB_PUSH(answer->arena, out->extension_number, numbers[i]))
            answer->failed = true;
    }
    answer->response->message_response_case =
        pb_grpc_reflection_v1alpha_ServerReflectionResponse_tag_all_extension_numbers_response;
    answer->response->message_response.all_extension_numbers_response = out;
}

static void answer_request(struct answer *answer, const request_t *request)
{
    switch (request->message_request_case) {
    case LIST_SERVICES:
        answer_services(answer);
        break;
    case BY_NAME: {
        struct mf_str name = request->message_request.file_by_filename;
        answer_file(answer, mf_descriptors_file(name), name);
        break;
    }
    case BY_SYMBOL: {
        struct mf_str symbol = request->message_request.file_containing_symbol;
        answer_file(answer, mf_descriptors_symbol(answer->arena, symbol), symbol);
        break;
    }
    case BY_EXTENSION: {
        const struct pb_grpc_reflection_v1alpha_ExtensionRequest *wanted =
            request->message_request.file_containing_extension;
        answer_file(
            answer,
            mf_descriptors_extension(answer->arena, wanted->containing_type, wanted->extension_number),
            wanted->containing_type);
        break;
    }
    case NUMBERS:
        answer_numbers(answer, request->message_request.all_extension_numbers_of_type);
        break;
    default:
        not_found(answer, MF_STR("such question; set one of message_request"));
        break;
    }
}

static void on_message(void *ctx, struct mf_call *call, const void *msg)
{
    const request_t *request = msg;
    struct mf_arena *arena = mf_arena_new(0);
    struct answer answer = {.rpc = ctx, .arena = arena};
    if (arena)
        answer.response = pb_new(arena, &pb_grpc_reflection_v1alpha_ServerReflectionResponse_type);
    if (answer.response) {
        answer.response->valid_host = request->host;
        answer.response->original_request = (request_t *)(uintptr_t)request;
        answer_request(&answer, request);
    }
    if (answer.response && !answer.failed)
        mf_call_send(call, answer.response);
    else
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory; try again later");
    mf_arena_free(arena);
}

static void on_half_close(void *ctx, struct mf_call *call)
{
    (void)ctx;
    mf_call_end(call);
}

static const struct mf_call_ops ops = {.on_message = on_message, .on_half_close = on_half_close};

static void serve(void *rpc, struct mf_call *call)
{
    mf_call_bind(call, &ops, rpc);
}

/* Version 1 under its own name; only v1alpha comes with a package we can pin. */
static const struct pb_method v1_methods[] = {{
    .name = "ServerReflectionInfo",
    .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    .request = &pb_grpc_reflection_v1alpha_ServerReflectionRequest_type,
    .response = &pb_grpc_reflection_v1alpha_ServerReflectionResponse_type,
    .client_streaming = true,
    .server_streaming = true,
}};
static const struct pb_service v1_service = {
    .name = "grpc.reflection.v1.ServerReflection",
    .methods = v1_methods,
    .method_count = 1,
};

enum mf_code mf_reflection_register(struct mf_rpc *rpc, struct mf_error *err)
{
    enum mf_code code =
        mf_rpc_handle(rpc, &pb_grpc_reflection_v1alpha_ServerReflection_service,
                      pb_grpc_reflection_v1alpha_ServerReflection_ServerReflectionInfo, serve, rpc, err);
    if (code == MF_OK)
        code = mf_rpc_handle(rpc, &v1_service, 0, serve, rpc, err);
    return code;
}
