/*
 * JSON as Kubernetes speaks it: reading values out of objects of any shape, and building such objects. Pure.
 *
 * Readers accept NULL for a value that is not there, so that paths need no checks on the way. A builder
 * remembers when memory ran out; mf_node_write tells. Nothing is freed but with the arena.
 */
#ifndef MF_KUBE_NODE_H
#define MF_KUBE_NODE_H

#include "base/arena.h"
#include "base/status.h"
#include "gen/google/protobuf/struct.pb.h"

typedef struct pb_google_protobuf_Value mf_node;

/* ---- reading ---- */

/* The result aliases the text. MF_INVALID_ARGUMENT when that is no JSON. */
enum mf_code mf_node_read(struct mf_arena *arena, struct mf_str text, const mf_node **out,
                          struct mf_error *err) MF_CHECK_RESULT;
/* A member of an object; NULL when there is none or it is null. */
const mf_node *mf_node_get(const mf_node *node, const char *name);
/* A member of a member …; path is the names with a "/" between, none of which holds one itself. */
const mf_node *mf_node_at(const mf_node *node, const char *path);
/* Empty, 0, false when it is not there or of another kind. */
struct mf_str mf_node_text(const mf_node *node, const char *path);
int64_t mf_node_int(const mf_node *node, const char *path);
bool mf_node_bool(const mf_node *node, const char *path);
/* Of a list. */
size_t mf_node_count(const mf_node *node);
const mf_node *mf_node_item(const mf_node *node, size_t index);

/* ---- building ---- */

struct mf_node_builder {
    struct mf_arena *arena;
    bool failed; /* memory ran out */
};

mf_node *mf_node_object(struct mf_node_builder *b);
mf_node *mf_node_list(struct mf_node_builder *b);
/* Sets or replaces a member of an object. */
void mf_node_set(struct mf_node_builder *b, mf_node *object, struct mf_str name, mf_node *value);
void mf_node_set_text(struct mf_node_builder *b, mf_node *object, const char *name, struct mf_str text);
void mf_node_set_int(struct mf_node_builder *b, mf_node *object, const char *name, int64_t number);
void mf_node_set_bool(struct mf_node_builder *b, mf_node *object, const char *name, bool yes);
/* A new object as the member of another. */
mf_node *mf_node_set_object(struct mf_node_builder *b, mf_node *object, const char *name);
mf_node *mf_node_set_list(struct mf_node_builder *b, mf_node *object, const char *name);
void mf_node_push(struct mf_node_builder *b, mf_node *list, mf_node *value);
mf_node *mf_node_text_value(struct mf_node_builder *b, struct mf_str text);
enum mf_code mf_node_write(struct mf_node_builder *b, const mf_node *node, struct mf_str *out,
                           struct mf_error *err) MF_CHECK_RESULT;

#endif
