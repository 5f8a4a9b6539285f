#include "cli/table.h"

void mf_table_init(struct mf_table *table, struct mf_arena *arena, const char *const *heads, size_t columns)
{
    *table = (struct mf_table){.arena = arena, .columns = columns};
    for (size_t i = 0; i < columns && i < MF_TABLE_COLUMNS; i++)
        table->heads[i] = heads[i];
}

bool mf_table_add(struct mf_table *table, const struct mf_str *cells)
{
    if (table->cell_count + table->columns > table->cell_cap) {
        size_t cap = table->cell_cap > 0 ? table->cell_cap * 2 : table->columns * 64;
        struct mf_str *grown =
            mf_arena_grow(table->arena, table->cells, table->cell_cap * sizeof *grown, cap * sizeof *grown);
        if (!grown)
            return false;
        table->cells = grown;
        table->cell_cap = cap;
    }
    for (size_t i = 0; i < table->columns; i++) {
        size_t width = mf_utf8_count(cells[i]);
        if (width > table->widths[i])
            table->widths[i] = width;
        table->cells[table->cell_count++] = cells[i];
    }
    return true;
}

/* C1 controls (U+0080 to U+009F) are two bytes, the first of which is 0xc2. */
void mf_table_text(struct mf_buf *out, struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool c1 = c == 0xc2 && i + 1 < text.len && ((unsigned char)text.ptr[i + 1] & 0xe0) == 0x80;
        i += c1;
        mf_buf_add_char(out, c < 0x20 || c == 0x7f || c1 ? '?' : (char)c);
    }
}

static void write_line(const struct mf_table *table, const struct mf_str *cells, struct mf_buf *out)
{
    size_t owed = 0; /* blanks, which nothing that follows may need */
    for (size_t i = 0; i < table->columns; i++) {
        size_t head = strlen(table->heads[i]);
        size_t width = table->widths[i] > head ? table->widths[i] : head;
        if (table->widths[i] == 0)
            continue;
        if (cells[i].len > 0) {
            mf_buf_printf(out, "%*s", (int)owed, "");
            mf_table_text(out, cells[i]);
            owed = 0;
        }
        owed += width - mf_utf8_count(cells[i]) + 2;
    }
    mf_buf_add_char(out, '\n');
}

void mf_table_write(const struct mf_table *table, struct mf_buf *out)
{
    struct mf_str heads[MF_TABLE_COLUMNS];
    for (size_t i = 0; i < table->columns; i++)
        heads[i] = mf_str_from_c(table->heads[i]);
    if (table->cell_count > 0)
        write_line(table, heads, out);
    for (size_t i = 0; i < table->cell_count; i += table->columns)
        write_line(table, &table->cells[i], out);
}
