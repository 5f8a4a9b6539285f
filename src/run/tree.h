/*
 * The tree of a run's actions as its watchers need it: for every action its phase and how many of the actions
 * below it are in which phase. All watchers of a run share one tree, which lives as long as one of them does
 * and is kept up to date by whoever looks next.
 *
 * Any thread; a tree has a lock of its own. Nodes are never removed, and a node keeps its number.
 */
#ifndef MF_RUN_TREE_H
#define MF_RUN_TREE_H

#include "store/store.h"

#define MF_TREE_PHASES 11

struct mf_trees;
struct mf_tree;

enum mf_code mf_trees_new(struct mf_store *store, struct mf_trees **out,
                          struct mf_error *err) MF_CHECK_RESULT;
void mf_trees_free(struct mf_trees *trees); /* no tree may be out; NULL is fine */
/* The tree of the run, made when nobody watches it yet; NULL when memory ran out. */
struct mf_tree *mf_tree_get(struct mf_trees *trees, int64_t run_id);
void mf_tree_put(struct mf_tree *tree); /* NULL is fine */

/* Takes in what has changed in the store. scratch is for the rows and is emptied. */
enum mf_code mf_tree_update(struct mf_tree *tree, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err) MF_CHECK_RESULT;

/* Which actions a watcher wants to see. */
struct mf_tree_filter {
    uint32_t phases;     /* bit n: phase n; 0: every phase */
    struct mf_str names; /* part of the name shown, lower case; empty: every name */
};

/* What one watcher has seen, and what it shall see next. */
struct mf_tree_view {
    struct mf_tree_filter filter;
    uint64_t version;  /* of the tree when it was looked at last */
    uint32_t *pending; /* numbers of nodes, parents before their children; on the heap */
    size_t pending_count;
    size_t pending_at;    /* the next to be sent */
    unsigned char *shown; /* with a filter: a bit for every node that is shown; on the heap */
    size_t shown_nodes;
};

/* Fills view->pending with what has changed since. */
enum mf_code mf_tree_look(struct mf_tree *tree, struct mf_tree_view *view,
                          struct mf_error *err) MF_CHECK_RESULT;
void mf_tree_view_free(struct mf_tree_view *view);

struct mf_tree_node {
    struct mf_str name; /* lives as long as the tree */
    bool shown;
    int32_t below[MF_TREE_PHASES];
};
void mf_tree_node(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t number,
                  struct mf_tree_node *out);

#endif
