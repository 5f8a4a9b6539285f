/* Lines of aligned columns for people. What comes from elsewhere cannot move the cursor: control characters
 * are shown as "?". Columns in which no line has anything are left out. */
#ifndef MF_CLI_TABLE_H
#define MF_CLI_TABLE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define MF_TABLE_COLUMNS 8

struct mf_table {
    struct mf_arena *arena;
    size_t columns;
    const char *heads[MF_TABLE_COLUMNS];
    size_t widths[MF_TABLE_COLUMNS]; /* in characters */
    struct mf_str *cells;            /* row by row */
    size_t cell_count, cell_cap;
};

/* heads: so many as columns; they live as long as the table. */
void mf_table_init(struct mf_table *table, struct mf_arena *arena, const char *const *heads, size_t columns);
/* Aliases the cells, one for each column. False when memory ran out. */
bool mf_table_add(struct mf_table *table, const struct mf_str *cells);
/* The head and all lines; nothing when there is no line. */
void mf_table_write(const struct mf_table *table, struct mf_buf *out);

/* The text with "?" for control characters. */
void mf_table_text(struct mf_buf *out, struct mf_str text);

#endif
