/* The tables that tools/pbgen.py writes, and what looks things up in them. */
#include "testing.h"

#include "base/arena.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "gen/google/protobuf/descriptor.pb.h"
#include "gen/google/protobuf/struct.pb.h"
#include "gen/sample.pb.h"
#include "rpc/pb_file.h"
#include "rpc/pb_table.h"

static void test_find(void **state)
{
    (void)state;
    assert_true(pb_type_count > 600);
    for (size_t i = 0; i < pb_type_count; i++) {
        assert_ptr_equal(pb_type_find(mf_str_from_c(pb_types[i]->name)), pb_types[i]);
        assert_true(i == 0 || strcmp(pb_types[i - 1]->name, pb_types[i]->name) < 0);
    }
    assert_ptr_equal(pb_type_find(MF_STR("flyteidl2.workflow.CreateRunRequest")),
                     &pb_workflow_CreateRunRequest_type);
    assert_string_equal(pb_type_name(&pb_google_protobuf_Struct_type), "google.protobuf.Struct");
    assert_null(pb_type_find(MF_STR("flyteidl2.workflow.CreateRunReques")));
    assert_null(pb_type_find(MF_STR("flyteidl2.workflow.CreateRunRequest2")));
    assert_null(pb_type_find(MF_STR("")));
    assert_null(pb_type_find(MF_STR("~")));
}

/* Everything in every table is where it must be: inside the struct, found by its number, of a type that
 * exists. */
static void test_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < pb_type_count; i++) {
        const struct pb_type *type = pb_types[i];
        assert_true(type->dense <= type->field_count);
        for (uint32_t j = 0; j < type->field_count; j++) {
            const struct pb_field *field = &type->fields[j];
            bool list = field->shape == PB_REPEATED || field->shape == PB_MAP;
            size_t size = list ? sizeof(struct pb_list) : pb_kind_size((enum pb_kind)field->kind);
            assert_true(field->offset >= sizeof(struct pb_head));
            assert_true(field->offset + size <= type->size);
            assert_int_equal(field->offset % (size < 8 ? size : 8), 0);
            assert_true(j == 0 || type->fields[j - 1].number < field->number);
            assert_ptr_equal(pb_field_by_number(type, field->number), field);
            assert_int_equal(field->type != NULL, field->kind == PB_MESSAGE);
            assert_int_equal(field->enumeration != NULL, field->kind == PB_ENUM);
            if (field->shape == PB_ONEOF)
                assert_int_equal(type->oneofs[field->oneof].case_offset, field->has_offset);
            if (field->shape == PB_MAP)
                assert_true(field->type->field_count == 2 && field->type->dense == 2);
        }
    }
}

static void test_field_by_number(void **state)
{
    (void)state;
    const struct pb_type *type = &pb_sample_Scalars_type;
    assert_int_equal(type->dense, 14);
    assert_null(pb_field_by_number(type, 0));
    assert_null(pb_field_by_number(type, 15));
    assert_string_equal(pb_field_by_number(type, 16)->name, "a_string");
    assert_string_equal(pb_field_by_number(type, 2047)->json_name, "aBytes");
    assert_string_equal(pb_field_by_number(type, 536870911)->name, "far");
    assert_null(pb_field_by_number(type, 2048));
    assert_null(pb_field_by_number(type, UINT32_MAX));
}

static void test_is_set(void **state)
{
    (void)state;
    struct pb_sample_Everything m = {0};
    const struct pb_type *type = &pb_sample_Everything_type;
    for (uint32_t i = 0; i < type->field_count; i++)
        assert_false(pb_field_is_set(&type->fields[i], &m));
    m.has_maybe_int32 = true;
    m.choice_case = pb_sample_Everything_tag_text;
    m.register_ = true;
    for (uint32_t i = 0; i < type->field_count; i++) {
        uint32_t number = type->fields[i].number;
        assert_int_equal(pb_field_is_set(&type->fields[i], &m), number == 5 || number == 8 || number == 12);
    }
}

static void test_services(void **state)
{
    (void)state;
    const struct pb_service *service = &pb_workflow_RunService_service;
    assert_string_equal(service->name, "flyteidl2.workflow.RunService");
    const struct pb_method *create = &service->methods[pb_workflow_RunService_CreateRun];
    assert_string_equal(create->path, "/flyteidl2.workflow.RunService/CreateRun");
    assert_ptr_equal(create->request, &pb_workflow_CreateRunRequest_type);
    assert_ptr_equal(create->response, &pb_workflow_CreateRunResponse_type);
    assert_false(create->server_streaming || create->client_streaming || create->no_side_effects);
    assert_true(service->methods[pb_workflow_RunService_WatchRunDetails].server_streaming);
    assert_true(service->methods[pb_workflow_RunService_GetRunDetails].no_side_effects);
}

static void test_list_grow(void **state)
{
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    int32_t borrowed[] = {1, 2, 3};
    struct pb_sample_Lists m = {.int32s = {.items = borrowed, .count = 3}};
    for (int32_t i = 4; i <= 1000; i++)
        assert_true(PB_PUSH(arena, m.int32s, i));
    assert_int_equal(m.int32s.count, 1000);
    for (int32_t i = 1; i <= 1000; i++)
        assert_int_equal(m.int32s.items[i - 1], i);
    assert_int_equal(borrowed[2], 3);
    mf_arena_free(arena);
    struct mf_arena *small = mf_arena_new(1000);
    struct pb_sample_Lists bounded = {0};
    uint32_t pushed = 0;
    while (PB_PUSH(small, bounded.int64s, 1))
        assert_true(++pushed < 1000);
    assert_int_equal(bounded.int64s.count, pushed);
    mf_arena_free(small);
}

/* Descriptors are the largest messages at hand that others wrote. */
static void test_files(void **state)
{
    (void)state;
    size_t count;
    const struct pb_file *files = pb_files(&count);
    struct mf_arena *arena = mf_arena_new(0);
    const struct pb_type *type = &pb_google_protobuf_FileDescriptorProto_type;
    assert_true(count > 90);
    for (size_t i = 0; i < count; i++) {
        void *out;
        struct mf_error err;
        struct mf_str once, twice;
        mf_arena_reset(arena);
        if (pb_decode(arena, type, files[i].bytes, &out, &err) != MF_OK)
            fail_msg("%s: %s", files[i].name, err.message);
        const struct pb_google_protobuf_FileDescriptorProto *file = out;
        assert_str(file->name, files[i].name);
        for (uint32_t j = 0; j < file->dependency.count; j++) {
            size_t k = 0;
            while (k < i && !mf_str_eq_c(file->dependency.items[j], files[k].name))
                k++;
            assert_true(k < i);
        }
        assert_int_equal(pb_encode(arena, type, file, &once, NULL), MF_OK);
        assert_int_equal(once.len, files[i].bytes.len);
        assert_int_equal(pb_decode(arena, type, once, &out, NULL), MF_OK);
        assert_int_equal(pb_encode(arena, type, out, &twice, NULL), MF_OK);
        assert_memory_equal(once.ptr, twice.ptr, once.len);
    }
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_field_by_number),
        cmocka_unit_test(test_is_set),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_list_grow),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
