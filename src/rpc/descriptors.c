#include "rpc/descriptors.h"

#include "gen/google/protobuf/descriptor.pb.h"
#include "rpc/pb_file.h"

/* Nesting beyond this is no real file of ours; the bound keeps the recursion small. */
#define NESTING_MAX 32

typedef struct pb_google_protobuf_FileDescriptorProto file_proto;
typedef struct pb_google_protobuf_DescriptorProto message_proto;
typedef struct pb_google_protobuf_EnumDescriptorProto enum_proto;
typedef struct pb_google_protobuf_FieldDescriptorProto field_proto;

static const file_proto *parse(struct mf_arena *arena, const struct pb_file *file)
{
    void *out = NULL;
    if (pb_decode(arena, &pb_google_protobuf_FileDescriptorProto_type, file->bytes, &out, NULL) != MF_OK)
        return NULL;
    return out;
}

/* If symbol is "name" or begins with "name.", cuts that off; the whole name leaves the empty string. */
static bool cut(struct mf_str *symbol, struct mf_str name)
{
    if (!mf_str_starts(*symbol, name) || (symbol->len > name.len && symbol->ptr[name.len] != '.'))
        return false;
    *symbol = mf_str_skip(*symbol, name.len + 1);
    return true;
}

static bool enum_has(const enum_proto *type, struct mf_str symbol)
{
    if (mf_str_eq(type->name, symbol))
        return true;
    /* The values of an enum are named in the scope around it. */
    for (uint32_t i = 0; i < type->value.count; i++) {
        if (mf_str_eq(type->value.items[i]->name, symbol))
            return true;
    }
    return false;
}

static bool message_has(const message_proto *type, struct mf_str symbol, int depth)
{
    if (!cut(&symbol, type->name) || depth > NESTING_MAX)
        return false;
    if (symbol.len == 0)
        return true;
    for (uint32_t i = 0; i < type->field.count; i++) {
        if (mf_str_eq(type->field.items[i]->name, symbol))
            return true;
    }
    for (uint32_t i = 0; i < type->extension.count; i++) {
        if (mf_str_eq(type->extension.items[i]->name, symbol))
            return true;
    }
    for (uint32_t i = 0; i < type->oneof_decl.count; i++) {
        if (mf_str_eq(type->oneof_decl.items[i]->name, symbol))
            return true;
    }
    for (uint32_t i = 0; i < type->enum_type.count; i++) {
        if (enum_has(type->enum_type.items[i], symbol))
            return true;
    }
    for (uint32_t i = 0; i < type->nested_type.count; i++) {
        if (message_has(type->nested_type.items[i], symbol, depth + 1))
            return true;
    }
    return false;
}

static bool service_has(const struct pb_google_protobuf_ServiceDescriptorProto *service, struct mf_str symbol)
{
    if (!cut(&symbol, service->name))
        return false;
    for (uint32_t i = 0; i < service->method.count; i++) {
        if (mf_str_eq(service->method.items[i]->name, symbol))
            return true;
    }
    return symbol.len == 0;
}

static bool file_has(const file_proto *file, struct mf_str symbol)
{
    if (file->package.len > 0 && (!cut(&symbol, file->package) || symbol.len == 0))
        return false;
    for (uint32_t i = 0; i < file->message_type.count; i++) {
        if (message_has(file->message_type.items[i], symbol, 0))
            return true;
    }
    for (uint32_t i = 0; i < file->enum_type.count; i++) {
        if (enum_has(file->enum_type.items[i], symbol))
            return true;
    }
    for (uint32_t i = 0; i < file->service.count; i++) {
        if (service_has(file->service.items[i], symbol))
            return true;
    }
    for (uint32_t i = 0; i < file->extension.count; i++) {
        if (mf_str_eq(file->extension.items[i]->name, symbol))
            return true;
    }
    return false;
}

const struct pb_file *mf_descriptors_file(struct mf_str name)
{
    size_t count = 0;
    const struct pb_file *files = pb_files(&count);
    for (size_t i = 0; i < count; i++) {
        if (mf_str_eq_c(name, files[i].name))
            return &files[i];
    }
    return NULL;
}

const struct pb_file *mf_descriptors_symbol(struct mf_arena *arena, struct mf_str symbol)
{
    size_t count = 0;
    const struct pb_file *files = pb_files(&count);
    for (size_t i = 0; i < count; i++) {
        const file_proto *file = parse(arena, &files[i]);
        if (file && file_has(file, symbol))
            return &files[i];
    }
    return NULL;
}

/* ---- extensions ---- */

typedef bool (*visit_extension)(void *ctx, const field_proto *field); /* false stops */

static bool each_in_message(const message_proto *type, visit_extension visit, void *ctx, int depth)
{
    for (uint32_t i = 0; i < type->extension.count; i++) {
        if (!visit(ctx, type->extension.items[i]))
            return false;
    }
    for (uint32_t i = 0; depth < NESTING_MAX && i < type->nested_type.count; i++) {
        if (!each_in_message(type->nested_type.items[i], visit, ctx, depth + 1))
            return false;
    }
    return true;
}

static bool each_extension(const file_proto *file, visit_extension visit, void *ctx)
{
    for (uint32_t i = 0; i < file->extension.count; i++) {
        if (!visit(ctx, file->extension.items[i]))
            return false;
    }
    for (uint32_t i = 0; i < file->message_type.count; i++) {
        if (!each_in_message(file->message_type.items[i], visit, ctx, 0))
            return false;
    }
    return true;
}

static bool extends(const field_proto *field, struct mf_str type)
{
    return field->extendee.len == type.len + 1 && field->extendee.ptr[0] == '.' &&
           mf_str_eq(mf_str_skip(field->extendee, 1), type);
}

struct find_number {
    struct mf_str type;
    int32_t number;
};

static bool is_other(void *ctx, const field_proto *field)
{
    const struct find_number *find = ctx;
    return field->number != find->number || !extends(field, find->type);
}

const struct pb_file *mf_descriptors_extension(struct mf_arena *arena, struct mf_str type, int32_t number)
{
    struct find_number find = {.type = type, .number = number};
    size_t count = 0;
    const struct pb_file *files = pb_files(&count);
    for (size_t i = 0; i < count; i++) {
        const file_proto *file = parse(arena, &files[i]);
        if (file && !each_extension(file, is_other, &find))
            return &files[i];
    }
    return NULL;
}

struct collect_numbers {
    struct mf_arena *arena;
    struct mf_str type;
    int32_t *items;
    uint32_t count, cap;
};

static bool collect(void *ctx, const field_proto *field)
{
    struct collect_numbers *numbers = ctx;
    if (!extends(field, numbers->type))
        return true;
    if (numbers->count == numbers->cap) {
        uint32_t cap = numbers->cap ? numbers->cap * 2 : 16;
        int32_t *grown =
            mf_arena_grow(numbers->arena, numbers->items, numbers->cap * sizeof *grown, cap * sizeof *grown);
        if (!grown)
            return false;
        numbers->items = grown;
        numbers->cap = cap;
    }
    numbers->items[numbers->count++] = field->number;
    return true;
}

bool mf_descriptors_extension_numbers(struct mf_arena *arena, struct mf_str type, const int32_t **numbers,
                                      uint32_t *count)
{
    struct collect_numbers collected = {.arena = arena, .type = type};
    size_t file_count = 0;
    const struct pb_file *files = pb_files(&file_count);
    for (size_t i = 0; i < file_count; i++) {
        const file_proto *file = parse(arena, &files[i]);
        if (!file || !each_extension(file, collect, &collected))
            return false;
    }
    *numbers = collected.items;
    *count = collected.count;
    return true;
}

bool mf_descriptors_closure(struct mf_arena *arena, const struct pb_file *file, const struct pb_file ***files,
                            size_t *count)
{
    size_t all = 0;
    const struct pb_file *table = pb_files(&all);
    const struct pb_file **found = mf_arena_array(arena, all, sizeof(*found));
    bool *seen = mf_arena_array(arena, all, sizeof *seen);
    if (!found || !seen)
        return false;
    size_t n = 0;
    found[n++] = file;
    seen[file - table] = true;
    for (size_t next = 0; next < n; next++) {
        const file_proto *parsed = parse(arena, found[next]);
        if (!parsed)
            return false;
        for (uint32_t i = 0; i < parsed->dependency.count; i++) {
            const struct pb_file *import = mf_descriptors_file(parsed->dependency.items[i]);
            if (!import || seen[import - table])
                continue;
            seen[import - table] = true;
            found[n++] = import;
        }
    }
    *files = found;
    *count = n;
    return true;
}
