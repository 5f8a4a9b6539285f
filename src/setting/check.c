#include "setting/check.h"

#include "base/quantity.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "setting/leaf.h"

#include <ctype.h>
#include <math.h>

#define TEXT_MAX 1024
#define NAME_MAX_BYTES 253
#define LABEL_MAX 63
#define ENTRIES_MAX 256
#define VALUE_MAX ((size_t)32 << 10)
#define SHOWN 60 /* bytes of a wrong value that the error repeats */
#define ACCELERATORS_OF_A_CLASS 100
#define DEVICE_CLASS_MAX 99

/* ---- texts ---- */

static bool is_word_char(char c, const char *extra)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr(extra, c));
}

/* Letters, digits and those of extra; at both ends letters and digits only. */
static bool is_word(struct mf_str text, const char *extra, size_t max)
{
    if (text.len == 0 || text.len > max || !is_word_char(text.ptr[0], "") ||
        !is_word_char(text.ptr[text.len - 1], ""))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_word_char(text.ptr[i], extra))
            return false;
    }
    return true;
}

static bool is_printable(struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

/* The name of a label or annotation: "app" or "example.org/app". */
static bool is_label_key(struct mf_str key)
{
    size_t slash = mf_str_find_char(key, '/');
    if (slash == SIZE_MAX)
        return is_word(key, "-_.", LABEL_MAX);
    return is_word(mf_str_take(key, slash), "-.", NAME_MAX_BYTES) &&
           is_word(mf_str_skip(key, slash + 1), "-_.", LABEL_MAX);
}

static bool is_variable(struct mf_str name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || isdigit((unsigned char)name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_word_char(name.ptr[i], "_-."))
            return false;
    }
    return true;
}

static bool is_uri(struct mf_str text)
{
    size_t colon = mf_str_find(text, MF_STR("://"));
    return colon != SIZE_MAX && is_word(mf_str_take(text, colon), "+-.", 32) && text.len > colon + 3;
}

static enum mf_code wrong(struct mf_error *err, const struct mf_leaf *leaf, struct mf_str value,
                          const char *advice)
{
    struct mf_str shown = mf_str_take(value, mf_utf8_cut(value, SHOWN));
    return mf_fail(err, MF_INVALID_ARGUMENT, "settings.%s: \"%.*s\" %s", leaf->path, MF_FMT(shown), advice);
}

/* An empty text is a value too: it says that nothing is wanted. */
static enum mf_code check_text(const struct mf_leaf *leaf, struct mf_str text, struct mf_error *err)
{
    bool folder =
        strcmp(leaf->path, "run.run_base_dir") == 0 || strcmp(leaf->path, "storage.raw_data_path") == 0;
    bool name =
        strcmp(leaf->path, "security.service_account") == 0 || strcmp(leaf->path, "pod_template_name") == 0;
    if (text.len > TEXT_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "settings.%s: must have at most %d bytes", leaf->path,
                       TEXT_MAX);
    if (text.len == 0)
        return MF_OK;
    if (!is_printable(text))
        return mf_fail(err, MF_INVALID_ARGUMENT, "settings.%s: must not hold control characters", leaf->path);
    if (folder && !is_uri(text))
        return wrong(err, leaf, text, "is no place; write it like s3://bucket/prefix");
    if (name && !is_word(text, "-.", NAME_MAX_BYTES))
        return wrong(err, leaf, text, "may hold letters, digits, \"-\" and \".\" only, at most 253");
    if (strcmp(leaf->path, "run.default_queue") == 0 && !is_word(text, "-_.", NAME_MAX_BYTES))
        return wrong(err, leaf, text, "may hold letters, digits, \"-\", \"_\" and \".\" only, at most 253");
    if (strcmp(leaf->path, "app.app_dns_strategy") == 0 && !mf_str_eq_c(text, "shared") &&
        !mf_str_eq_c(text, "dataplane_specific"))
        return wrong(err, leaf, text, "must be shared or dataplane_specific");
    return MF_OK;
}

/* ---- the other kinds ---- */

static enum mf_code check_quantity(const struct mf_leaf *leaf, struct mf_str text, struct mf_error *err)
{
    double amount;
    if (!mf_quantity(text, &amount))
        return wrong(err, leaf, text, "is no quantity; write it like 500m, 2 or 4Gi, or unset it");
    if (mf_str_ends(mf_str_from_c(leaf->path), MF_STR(".gpu")) && amount != floor(amount))
        return wrong(err, leaf, text, "must be a whole number");
    return MF_OK;
}

static enum mf_code check_map(const struct mf_leaf *leaf, const struct pb_settings_StringMap *map,
                              struct mf_error *err)
{
    bool variables = strcmp(leaf->path, "environment_variables") == 0;
    bool labels = strcmp(leaf->path, "labels") == 0;
    if (map && map->entries.count > ENTRIES_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "settings.%s: must have at most %d entries", leaf->path,
                       ENTRIES_MAX);
    for (uint32_t i = 0; map && i < map->entries.count; i++) {
        struct mf_str key = map->entries.items[i]->key;
        struct mf_str value = map->entries.items[i]->value;
        if (variables && !is_variable(key))
            return wrong(err, leaf, key,
                         "is no name of a variable; use letters, digits, \"_\", \"-\" and \".\", and no "
                         "digit at the start");
        if (!variables && !is_label_key(key))
            return wrong(err, leaf, key,
                         "is no name of a label; write it like app or example.org/app, with at most 63 "
                         "letters, digits, \"-\", \"_\" and \".\" after the slash");
        if (labels && value.len > 0 && !is_word(value, "-_.", LABEL_MAX))
            return wrong(err, leaf, value,
                         "is no value of a label; use at most 63 letters, digits, \"-\", \"_\" and \".\"");
        if (value.len > VALUE_MAX || mf_str_find_char(value, '\0') != SIZE_MAX)
            return wrong(err, leaf, key, "must have a value of at most 32 KiB without NUL bytes");
    }
    return MF_OK;
}

static enum mf_code check_accelerator(const struct mf_leaf *leaf, const struct pb_core_GPUAccelerator *value,
                                      struct mf_error *err)
{
    if (!value || (value->device.len == 0 && value->accelerator_model == 0))
        return mf_fail(err, MF_INVALID_ARGUMENT, "settings.%s: name a device, for instance nvidia-l4",
                       leaf->path);
    if (value->device.len > 0 && !is_word(value->device, "-_.", LABEL_MAX))
        return wrong(err, leaf, value->device, "is no name of a device; write it like nvidia-l4");
    if (value->device_class < 0 || value->device_class > DEVICE_CLASS_MAX || value->accelerator_model < 0 ||
        (value->accelerator_model != 0 &&
         value->accelerator_model / ACCELERATORS_OF_A_CLASS != value->device_class))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "settings.%s: accelerator_model %d is not of device_class %d", leaf->path,
                       (int)value->accelerator_model, (int)value->device_class);
    return MF_OK;
}

static enum mf_code check_int(const struct mf_leaf *leaf, int64_t value, struct mf_error *err)
{
    if (value < 0 || value > INT32_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "settings.%s: must be between 0 and %d", leaf->path,
                       INT32_MAX);
    return MF_OK;
}

static enum mf_code check_value(const struct mf_leaf *leaf, const void *value, struct mf_error *err)
{
    switch (leaf->kind) {
    case MF_LEAF_STRING:
        return check_text(leaf, ((const struct pb_settings_StringSetting *)value)->string_value, err);
    case MF_LEAF_QUANTITY:
        return check_quantity(leaf, ((const struct pb_settings_QuantitySetting *)value)->quantity_value, err);
    case MF_LEAF_INT:
        return check_int(leaf, ((const struct pb_settings_Int64Setting *)value)->int_value, err);
    case MF_LEAF_MAP:
        return check_map(leaf, ((const struct pb_settings_StringMapSetting *)value)->map_value, err);
    case MF_LEAF_ACCELERATOR:
        return check_accelerator(
            leaf, ((const struct pb_settings_AcceleratorSetting *)value)->accelerator_value, err);
    case MF_LEAF_BOOL:
        break;
    }
    return MF_OK;
}

/* ---- all of it ---- */

/* Quantities were checked before; one that is not set here is not compared. */
static enum mf_code check_order(const char *name, const struct pb_settings_QuantitySetting *min,
                                const struct pb_settings_QuantitySetting *max, struct mf_error *err)
{
    double low;
    double high;
    if (!min || !max || min->state != pb_settings_SETTING_STATE_VALUE ||
        max->state != pb_settings_SETTING_STATE_VALUE || !mf_quantity(min->quantity_value, &low) ||
        !mf_quantity(max->quantity_value, &high) || low <= high)
        return MF_OK;
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "settings.task_resource.min.%s: %.*s is more than task_resource.max.%s, %.*s", name,
                   MF_FMT(min->quantity_value), name, MF_FMT(max->quantity_value));
}

static enum mf_code check_limits(const struct pb_settings_TaskResourceSettings *resource,
                                 struct mf_error *err)
{
    if (!resource || !resource->min || !resource->max)
        return MF_OK;
    enum mf_code code = check_order("cpu", resource->min->cpu, resource->max->cpu, err);
    if (code == MF_OK)
        code = check_order("gpu", resource->min->gpu, resource->max->gpu, err);
    if (code == MF_OK)
        code = check_order("memory", resource->min->memory, resource->max->memory, err);
    if (code == MF_OK)
        code = check_order("storage", resource->min->storage, resource->max->storage, err);
    return code;
}

enum mf_code mf_settings_check(const struct pb_settings_Settings *settings, struct mf_error *err)
{
    /* The walk without an arena changes nothing. */
    struct pb_settings_Settings *walked = (struct pb_settings_Settings *)(uintptr_t)settings;
    for (size_t i = 0; i < MF_LEAF_COUNT; i++) {
        const struct mf_leaf *leaf = &mf_leaves[i];
        void **slot = mf_leaf_slot(leaf, walked, NULL);
        if (!slot || !*slot)
            continue;
        int32_t state = *mf_leaf_state(leaf, *slot);
        if (state < pb_settings_SETTING_STATE_INHERIT || state > pb_settings_SETTING_STATE_VALUE)
            return mf_fail(err, MF_INVALID_ARGUMENT, "settings.%s.state: %d is unknown", leaf->path,
                           (int)state);
        enum mf_code code = state == pb_settings_SETTING_STATE_VALUE ? check_value(leaf, *slot, err) : MF_OK;
        if (code != MF_OK)
            return code;
    }
    return check_limits(settings->task_resource, err);
}
