#include "server/config.h"

#include "base/log.h"
#include "base/sys.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)1 << 20)
#define LIST_MAX 256

struct row {
    const char *name;
    enum mf_config_type type;
    int64_t smallest, largest;
    const char *initial;
    const char *text;
};

static const struct row rows[MF_CONF_COUNT] = {
#define ROW(key, name, type, smallest, largest, initial, text)                                               \
    [MF_CONF_##key] = {name, MF_CONFIG_##type, smallest, largest, initial, text},
    MF_CONFIG_KEYS(ROW)
#undef ROW
};

enum origin { FROM_DEFAULT, FROM_FILE, FROM_VARIABLE, FROM_FLAG };

struct value {
    const char *text; /* as given */
    int64_t number;
    double real;
    struct mf_str *items;
    size_t item_count;
    enum origin origin;
    int line; /* of the file */
};

struct mf_config {
    struct mf_arena *arena;
    struct value values[MF_CONF_COUNT];
    const char *file; /* NULL: none was read */
    struct mf_str *unknown;
    size_t unknown_count;
    bool help;
    bool check;
};

static int find_key(struct mf_str name)
{
    for (int key = 0; key < MF_CONF_COUNT; key++) {
        if (mf_str_eq_c(name, rows[key].name))
            return key;
    }
    return -1;
}

/* A number with one of the suffixes; suffixes come as name, factor pairs. */
struct suffix {
    const char *name;
    int64_t factor;
};

static const struct suffix size_suffixes[] = {
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40},
    {"", 1},
};
static const struct suffix duration_suffixes[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"", 1000},
};

static bool parse_scaled(struct mf_str text, const struct suffix *suffixes, int64_t *out)
{
    for (;; suffixes++) {
        struct mf_str suffix = mf_str_from_c(suffixes->name);
        if (!mf_str_ends(text, suffix))
            continue;
        int64_t number;
        struct mf_str digits = mf_str_trim(mf_str_take(text, text.len - suffix.len), MF_STR(" "));
        if (mf_str_to_i64(digits, &number))
            return !__builtin_mul_overflow(number, suffixes->factor, out);
        if (suffix.len == 0)
            return false;
    }
}

static bool parse_real(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && isfinite(*out);
}

static bool parse_list(struct mf_config *config, struct mf_str text, struct value *value)
{
    size_t count = 0;
    struct mf_str *items = mf_arena_array(config->arena, LIST_MAX, sizeof *items);
    while (items && text.len > 0) {
        size_t comma = mf_str_find_char(text, ',');
        size_t len = comma == SIZE_MAX ? text.len : comma;
        struct mf_str item = mf_str_trim(mf_str_take(text, len), MF_STR(" \t"));
        if (item.len > 0) {
            if (count == LIST_MAX)
                return false;
            items[count++] = item;
        }
        text = comma == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(text, comma + 1);
    }
    value->items = items;
    value->item_count = count;
    return items != NULL;
}

static bool in_range(const struct row *row, double number)
{
    return number >= (double)row->smallest && number <= (double)row->largest;
}

static const char *expected(enum mf_config_type type)
{
    switch (type) {
    case MF_CONFIG_TEXT:
    case MF_CONFIG_PATH:
        return "text without control characters";
    case MF_CONFIG_LIST:
        return "at most 256 words separated by commas";
    case MF_CONFIG_INT:
        return "a whole number";
    case MF_CONFIG_REAL:
        return "a number";
    case MF_CONFIG_BOOL:
        return "true or false";
    case MF_CONFIG_SIZE:
        return "a number of bytes, as in 65536, 64KiB, 10MiB or 1GiB";
    case MF_CONFIG_DURATION:
        return "a duration, as in 500ms, 30s, 5m or 1h";
    case MF_CONFIG_LEVEL:
        return "error, warn, info or debug";
    }
    return "";
}

static bool has_control(struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

static bool parse(struct mf_config *config, const struct row *row, struct value *value)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    struct mf_str text = mf_str_from_c(value->text);
    if (has_control(text))
        return false;
    switch (row->type) {
    case MF_CONFIG_TEXT:
    case MF_CONFIG_PATH:
        return true;
    case MF_CONFIG_LIST:
        return parse_list(config, text, value);
    case MF_CONFIG_INT:
        return mf_str_to_i64(text, &value->number);
    case MF_CONFIG_REAL:
        return parse_real(value->text, &value->real);
    case MF_CONFIG_BOOL:
        value->number = mf_str_eq_c(text, "true");
        return value->number || mf_str_eq_c(text, "false");
    case MF_CONFIG_SIZE:
        return parse_scaled(text, size_suffixes, &value->number);
    case MF_CONFIG_DURATION:
        return parse_scaled(text, duration_suffixes, &value->number);
    case MF_CONFIG_LEVEL:
        for (int i = 0; i < 4; i++) {
            if (mf_str_eq_c(text, levels[i])) {
                value->number = MF_LOG_ERROR + i;
                return true;
            }
        }
        return false;
    }
    return false;
}

static const char *unit(enum mf_config_type type)
{
    return type == MF_CONFIG_SIZE ? " bytes" : type == MF_CONFIG_DURATION ? " ms" : "";
}

/* where: "--listen", "MAYFLY_LISTEN" or "file:12: listen". */
static enum mf_code set(struct mf_config *config, int key, const char *text, enum origin origin, int line,
                        const char *where, struct mf_error *err)
{
    const struct row *row = &rows[key];
    struct value value = {.text = text, .origin = origin, .line = line};
    bool has_range = row->type == MF_CONFIG_INT || row->type == MF_CONFIG_REAL ||
                     row->type == MF_CONFIG_SIZE || row->type == MF_CONFIG_DURATION;
    if (!parse(config, row, &value))
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s: \"%.200s\" is not valid; write %s", where, text,
                       expected(row->type));
    if (has_range && !in_range(row, row->type == MF_CONFIG_REAL ? value.real : (double)value.number))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "%s: \"%.200s\" is out of range; %lld%s to %lld%s are allowed", where, text,
                       (long long)row->smallest, unit(row->type), (long long)row->largest, unit(row->type));
    config->values[key] = value;
    return MF_OK;
}

static const char *where_in_file(struct mf_config *config, const char *file, int line)
{
    const char *where = mf_str_to_c(config->arena, mf_str_printf(config->arena, "%s:%d", file, line));
    return where ? where : file;
}

static enum mf_code read_line(struct mf_config *config, const char *file, int line, struct mf_str text,
                              struct mf_error *err)
{
    const char *where = where_in_file(config, file, line);
    text = mf_str_trim(text, MF_STR(" \t\r"));
    if (text.len == 0 || text.ptr[0] == '#')
        return MF_OK;
    size_t equals = mf_str_find_char(text, '=');
    if (equals == SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s: write \"key = value\"", where);
    struct mf_str name = mf_str_trim(mf_str_take(text, equals), MF_STR(" \t"));
    struct mf_str value = mf_str_trim(mf_str_skip(text, equals + 1), MF_STR(" \t"));
    int key = find_key(name);
    if (key < 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "%s: unknown key \"%.*s\"; \"mayfly serve --help\" lists the keys", where,
                       MF_FMT(mf_str_take(name, 100)));
    if (config->values[key].origin == FROM_FILE)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s: %s was set in line %d already; keep one of the two",
                       where, rows[key].name, config->values[key].line);
    const char *copy = mf_str_to_c(config->arena, value);
    return copy ? set(config, key, copy, FROM_FILE, line, where, err) : mf_fail_memory(err);
}

static enum mf_code read_file(struct mf_config *config, const char *file, struct mf_error *err)
{
    struct mf_str text;
    int line = 0;
    enum mf_code code = mf_read_file(config->arena, file, FILE_MAX, &text, err);
    if (code != MF_OK) {
        mf_fail_prefix(err, "configuration file");
        return MF_INVALID_ARGUMENT;
    }
    config->file = file;
    while (code == MF_OK && text.len > 0) {
        size_t end = mf_str_find_char(text, '\n');
        struct mf_str rest = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(text, end + 1);
        code = read_line(config, file, ++line, mf_str_take(text, end), err);
        text = rest;
    }
    return code;
}

/* "MAYFLY_SOME_KEY" -> "some-key", or empty when it is another variable. */
static struct mf_str key_of_variable(struct mf_arena *arena, struct mf_str name)
{
    struct mf_str prefix = MF_STR("MAYFLY_");
    if (!mf_str_starts(name, prefix) || name.len == prefix.len)
        return MF_STR_EMPTY;
    char *out = mf_arena_bytes(arena, name.len);
    if (!out)
        return MF_STR_EMPTY;
    size_t n = 0;
    for (size_t i = prefix.len; i < name.len; i++) {
        char c = name.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        else if (c >= 'a' && c <= 'z')
            return MF_STR_EMPTY;
        out[n++] = c == '_' ? '-' : c;
    }
    return mf_str_make(out, n);
}

static enum mf_code read_variables(struct mf_config *config, const char *const *environ, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (; environ && *environ && code == MF_OK; environ++) {
        struct mf_str entry = mf_str_from_c(*environ);
        size_t equals = mf_str_find_char(entry, '=');
        if (equals == SIZE_MAX)
            continue;
        struct mf_str variable = mf_str_take(entry, equals);
        struct mf_str name = key_of_variable(config->arena, variable);
        if (name.len == 0 || mf_str_eq_c(name, "config"))
            continue;
        int key = find_key(name);
        if (key < 0) {
            struct mf_str *grown =
                mf_arena_grow(config->arena, config->unknown, config->unknown_count * sizeof *grown,
                              (config->unknown_count + 1) * sizeof *grown);
            if (!grown)
                return mf_fail_memory(err);
            grown[config->unknown_count++] = variable;
            config->unknown = grown;
            continue;
        }
        const char *where = mf_str_to_c(config->arena, variable);
        code = set(config, key, *environ + equals + 1, FROM_VARIABLE, 0, where ? where : "environment", err);
    }
    return code;
}

static const char *variable_value(const char *const *environ, struct mf_str name)
{
    for (; environ && *environ; environ++) {
        struct mf_str entry = mf_str_from_c(*environ);
        if (mf_str_starts(entry, name) && entry.len > name.len && entry.ptr[name.len] == '=')
            return *environ + name.len + 1;
    }
    return NULL;
}

/* One flag and its value; *used tells how many arguments that were. key -1: --config. */
struct flag {
    int key;
    const char *value;
    int used;
};

static enum mf_code read_flag(const struct mf_config_input *input, int at, struct flag *flag,
                              struct mf_error *err)
{
    struct mf_str arg = mf_str_from_c(input->argv[at]);
    if (!mf_str_starts(arg, MF_STR("--")) || arg.len == 2)
        return mf_fail(err, MF_INVALID_ARGUMENT, "\"%.200s\" is not expected here; flags begin with --",
                       input->argv[at]);
    size_t equals = mf_str_find_char(arg, '=');
    struct mf_str name = mf_str_skip(mf_str_take(arg, equals), 2);
    flag->key = find_key(name);
    flag->used = 1;
    if (flag->key < 0 && !mf_str_eq_c(name, "config"))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "unknown flag --%.*s; \"mayfly serve --help\" lists the flags",
                       MF_FMT(mf_str_take(name, 100)));
    if (equals != SIZE_MAX) {
        flag->value = input->argv[at] + equals + 1;
    } else if (flag->key >= 0 && rows[flag->key].type == MF_CONFIG_BOOL) {
        flag->value = "true";
    } else if (at + 1 < input->argc) {
        flag->value = input->argv[at + 1];
        flag->used = 2;
    } else {
        return mf_fail(err, MF_INVALID_ARGUMENT, "--%.*s needs a value", MF_FMT(name));
    }
    return MF_OK;
}

static const char *flag_name(struct mf_config *config, int key)
{
    const char *name = mf_str_to_c(config->arena, mf_str_printf(config->arena, "--%s", rows[key].name));
    return name ? name : rows[key].name;
}

/* Flags are walked twice: first only for --config, whose file comes before the environment. */
static enum mf_code read_flags(struct mf_config *config, const struct mf_config_input *input,
                               const char **file, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct flag flag = {.used = 1};
    for (int at = 0; at < input->argc && code == MF_OK; at += flag.used) {
        struct mf_str arg = mf_str_from_c(input->argv[at]);
        flag.used = 1;
        if (mf_str_eq_c(arg, "--help") || mf_str_eq_c(arg, "-h")) {
            config->help = true;
            continue;
        }
        if (mf_str_eq_c(arg, "--check")) {
            config->check = true;
            continue;
        }
        code = read_flag(input, at, &flag, err);
        if (code == MF_OK && file && flag.key < 0)
            *file = flag.value;
        if (code == MF_OK && !file && flag.key >= 0)
            code = set(config, flag.key, flag.value, FROM_FLAG, 0, flag_name(config, flag.key), err);
    }
    return code;
}

enum mf_code mf_config_read(struct mf_arena *arena, const struct mf_config_input *input,
                            struct mf_config **out, struct mf_error *err)
{
    struct mf_config *config = MF_NEW(arena, struct mf_config);
    if (!config)
        return mf_fail_memory(err);
    config->arena = arena;
    enum mf_code code = MF_OK;
    for (int key = 0; key < MF_CONF_COUNT && code == MF_OK; key++)
        code = set(config, key, rows[key].initial, FROM_DEFAULT, 0, rows[key].name, err);
    const char *file = input->file;
    const char *from_environment = variable_value(input->environ, MF_STR("MAYFLY_CONFIG"));
    if (from_environment && from_environment[0] != '\0')
        file = from_environment;
    if (code == MF_OK)
        code = read_flags(config, input, &file, err);
    if (code == MF_OK && file && !config->help)
        code = read_file(config, file, err);
    if (code == MF_OK)
        code = read_variables(config, input->environ, err);
    if (code == MF_OK)
        code = read_flags(config, input, NULL, err);
    *out = config;
    return code;
}

bool mf_config_wants_help(const struct mf_config *config)
{
    return config->help;
}

bool mf_config_only_check(const struct mf_config *config)
{
    return config->check;
}

const char *mf_config_text(const struct mf_config *config, enum mf_config_key key)
{
    return config->values[key].text;
}

int64_t mf_config_int(const struct mf_config *config, enum mf_config_key key)
{
    return config->values[key].number;
}

double mf_config_real(const struct mf_config *config, enum mf_config_key key)
{
    return config->values[key].real;
}

size_t mf_config_list(const struct mf_config *config, enum mf_config_key key, const struct mf_str **items)
{
    *items = config->values[key].items;
    return config->values[key].item_count;
}

size_t mf_config_unknown_variables(const struct mf_config *config, const struct mf_str **names)
{
    *names = config->unknown;
    return config->unknown_count;
}

static const char *type_word(enum mf_config_type type)
{
    static const char *const words[] = {
        [MF_CONFIG_TEXT] = "text",  [MF_CONFIG_PATH] = "path",         [MF_CONFIG_LIST] = "list",
        [MF_CONFIG_INT] = "number", [MF_CONFIG_REAL] = "number",       [MF_CONFIG_BOOL] = "true|false",
        [MF_CONFIG_SIZE] = "size",  [MF_CONFIG_DURATION] = "duration", [MF_CONFIG_LEVEL] = "level",
    };
    return words[type];
}

/* Appends the words of text, broken into lines of at most width columns, each behind the indent. */
static void wrap(struct mf_buf *out, const char *indent, size_t width, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > 0 && column + 1 + word > width) {
            mf_buf_add_char(out, '\n');
            column = 0;
        }
        mf_buf_add_c(out, column == 0 ? indent : " ");
        mf_buf_add(out, text, word);
        column += word + (column > 0 ? 1 : 0);
        text += word;
        text += strspn(text, " ");
    }
    mf_buf_add_char(out, '\n');
}

void mf_config_help(struct mf_buf *out)
{
    mf_buf_add_c(out, "  --config FILE\n");
    wrap(out, "      ", 90, "File with lines \"key = value\"; # begins a comment line.");
    mf_buf_add_c(out, "  --check\n");
    wrap(out, "      ", 90, "Read the configuration, report what is wrong with it, and exit.");
    for (int key = 0; key < MF_CONF_COUNT; key++) {
        const struct row *row = &rows[key];
        mf_buf_printf(out, "  --%s%s%s%s%s%s\n", row->name, row->type == MF_CONFIG_BOOL ? "" : " ",
                      row->type == MF_CONFIG_BOOL ? "" : type_word(row->type),
                      row->initial[0] ? " (default " : "", row->initial, row->initial[0] ? ")" : "");
        wrap(out, "      ", 90, row->text);
    }
}

static void variable_name(struct mf_buf *out, const char *name)
{
    mf_buf_add_c(out, "MAYFLY_");
    for (; *name; name++)
        mf_buf_add_char(out, *name == '-' ? '_'
                                          : (char)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name));
}

void mf_config_docs(struct mf_buf *out)
{
    mf_buf_add_c(
        out, "# Configuration\n\n"
             "Made by `mayfly config docs`; do not edit.\n\n"
             "Nothing needs to be configured. Every key can be given as a flag (`--some-key value`), as a\n"
             "variable of the environment (`MAYFLY_SOME_KEY`) and as a line of the file that `--config` or\n"
             "`MAYFLY_CONFIG` names (`some-key = value`, `#` begins a comment line). A flag wins over a\n"
             "variable, a variable over the file. `mayfly config show` prints every value and where it came\n"
             "from; `mayfly serve --check` only checks.\n\n"
             "Sizes are bytes or carry KiB, MiB, GiB or TiB. Durations carry ms, s, m or h. Lists are words\n"
             "separated by commas. A change takes effect at the next start.\n\n"
             "| Key | Variable | Type | Range | Default | Meaning |\n|---|---|---|---|---|---|\n");
    for (int key = 0; key < MF_CONF_COUNT; key++) {
        const struct row *row = &rows[key];
        mf_buf_printf(out, "| `%s` | `", row->name);
        variable_name(out, row->name);
        mf_buf_printf(out, "` | %s | ", row->type == MF_CONFIG_BOOL ? "true or false" : type_word(row->type));
        if (row->largest > 0)
            mf_buf_printf(out, "%lld to %lld%s", (long long)row->smallest, (long long)row->largest,
                          unit(row->type));
        mf_buf_printf(out, " | %s%s%s | ", row->initial[0] ? "`" : "", row->initial,
                      row->initial[0] ? "`" : "");
        for (const char *c = row->text; *c; c++) {
            if (*c == '<' || *c == '>')
                mf_buf_add_c(out, *c == '<' ? "&lt;" : "&gt;");
            else
                mf_buf_add_char(out, *c);
        }
        mf_buf_add_c(out, " |\n");
    }
}

void mf_config_show(const struct mf_config *config, struct mf_buf *out)
{
    for (int key = 0; key < MF_CONF_COUNT; key++) {
        const struct value *value = &config->values[key];
        mf_buf_printf(out, "%s = %s", rows[key].name, value->text);
        switch (value->origin) {
        case FROM_DEFAULT:
            mf_buf_add_c(out, "  # default");
            break;
        case FROM_FILE:
            mf_buf_printf(out, "  # %s:%d", config->file, value->line);
            break;
        case FROM_VARIABLE:
            mf_buf_add_c(out, "  # ");
            variable_name(out, rows[key].name);
            break;
        case FROM_FLAG:
            mf_buf_printf(out, "  # --%s", rows[key].name);
            break;
        }
        mf_buf_add_char(out, '\n');
    }
}
