/*
 * JSON as Kubernetes speaks it: reading values out of objects of any shape, and building such objects. Pure.
 *
 * Readers accept NULL for a value that is not there, so that paths need no checks on the way. A builder
 * remembers when memory ran out; mf_tree_write tells. Nothing is freed but with the arena.
 */
#ifndef MF_KUBE_TREE_H
#define MF_KUBE_TREE_H

#include "base/arena.h"
#include "base/status.h"
#include "gen/google/protobuf/struct.pb.h"

typedef struct pb_google_protobuf_Value mf_tree;

/* ---- reading ---- */

/* The result aliases the text. MF_INVALID_ARGUMENT when that is no JSON. */
enum mf_code mf_tree_read(struct mf_arena *arena, struct mf_str text, const mf_tree **out,
                          struct mf_error *err) MF_CHECK_RESULT;
/* A member of an object; NULL when there is none or it is null. */
const mf_tree *mf_tree_get(const mf_tree *tree, const char *name);
/* A member of a member …; path is the names with a "/" between, none of which holds one itself. */
const mf_tree *mf_tree_at(const mf_tree *tree, const char *path);
/* Empty, 0, false when it is not there or of another kind. */
struct mf_str mf_tree_text(const mf_tree *tree, const char *path);
int64_t mf_tree_int(const mf_tree *tree, const char *path);
bool mf_tree_bool(const mf_tree *tree, const char *path);
/* Of a list. */
size_t mf_tree_count(const mf_tree *tree);
const mf_tree *mf_tree_item(const mf_tree *tree, size_t index);

/* ---- building ---- */

struct mf_tree_builder {
    struct mf_arena *arena;
    bool failed; /* memory ran out */
};

mf_tree *mf_tree_object(struct mf_tree_builder *b);
mf_tree *mf_tree_list(struct mf_tree_builder *b);
/* Sets or replaces a member of an object. */
void mf_tree_set(struct mf_tree_builder *b, mf_tree *object, struct mf_str name, mf_tree *value);
void mf_tree_set_text(struct mf_tree_builder *b, mf_tree *object, const char *name, struct mf_str text);
void mf_tree_set_int(struct mf_tree_builder *b, mf_tree *object, const char *name, int64_t number);
void mf_tree_set_bool(struct mf_tree_builder *b, mf_tree *object, const char *name, bool yes);
/* A new object as the member of another. */
mf_tree *mf_tree_set_object(struct mf_tree_builder *b, mf_tree *object, const char *name);
mf_tree *mf_tree_set_list(struct mf_tree_builder *b, mf_tree *object, const char *name);
void mf_tree_push(struct mf_tree_builder *b, mf_tree *list, mf_tree *value);
mf_tree *mf_tree_text_value(struct mf_tree_builder *b, struct mf_str text);
enum mf_code mf_tree_write(struct mf_tree_builder *b, const mf_tree *tree, struct mf_str *out,
                           struct mf_error *err) MF_CHECK_RESULT;

#endif
