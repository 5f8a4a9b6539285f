#include "objects/credentials_file.h"

#define BLANKS MF_STR(" \t\r")

static bool is_section(struct mf_str line, struct mf_str *name)
{
    size_t end = mf_str_find_char(line, ']');
    if (!mf_str_starts(line, MF_STR("[")) || end == SIZE_MAX)
        return false;
    *name = mf_str_trim(mf_str_take(mf_str_skip(line, 1), end - 1), BLANKS);
    return true;
}

static bool next_line(struct mf_str *text, struct mf_str *line)
{
    if (text->len == 0)
        return false;
    size_t end = mf_str_find_char(*text, '\n');
    *line = mf_str_take(*text, end);
    *text = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(*text, end + 1);
    return true;
}

struct mf_str mf_profile_value(struct mf_str text, struct mf_str section, const char *key)
{
    struct mf_str found = {0};
    struct mf_str line;
    bool inside = false;
    while (next_line(&text, &line)) {
        struct mf_str name;
        struct mf_str plain = mf_str_trim(line, BLANKS);
        if (is_section(plain, &name)) {
            inside = mf_str_eq(name, section);
            continue;
        }
        size_t equals = mf_str_find_char(plain, '=');
        /* Indented lines belong to a nested value, comments to nobody. */
        if (!inside || equals == SIZE_MAX || plain.ptr != line.ptr || plain.ptr[0] == '#' ||
            plain.ptr[0] == ';')
            continue;
        if (mf_str_eq_c(mf_str_trim(mf_str_take(plain, equals), BLANKS), key))
            found = mf_str_trim(mf_str_skip(plain, equals + 1), BLANKS);
    }
    return found;
}

bool mf_profile_exists(struct mf_str text, struct mf_str section)
{
    struct mf_str line;
    struct mf_str name;
    while (next_line(&text, &line)) {
        if (is_section(mf_str_trim(line, BLANKS), &name) && mf_str_eq(name, section))
            return true;
    }
    return false;
}
