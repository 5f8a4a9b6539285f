/*
 * The tree of a run's actions as its watchers need it: for every action its phase and how many of the actions
 * below it are in which phase. All watchers of a run share one tree, which lives as long as one of them does
 * and is kept up to date by whoever looks next.
 *
 * An action whose parent has not been recorded yet waits, with all below it, until the parent is there.
 *
 * Any thread; a tree has a lock of its own. Nodes are never removed, and a node keeps its number.
 */
#ifndef MF_RUN_TREE_H
#define MF_RUN_TREE_H

#include "rpc/parcel.h"
#include "store/store.h"

#define MF_TREE_PHASES 11

struct mf_trees;
struct mf_tree;

enum mf_code mf_trees_new(struct mf_store *store, struct mf_trees **out,
                          struct mf_error *err) MF_CHECK_RESULT;
void mf_trees_free(struct mf_trees *trees); /* no tree may be out; NULL is fine */
/* The tree of the run, made when nobody watches it yet; NULL when memory ran out. Get it before following the
 * topic of the run: of those that are woken by a change the tree then comes first, and nobody is shown what
 * was before. */
struct mf_tree *mf_tree_get(struct mf_trees *trees, int64_t run_id);
void mf_tree_put(struct mf_tree *tree); /* NULL is fine */

/* Takes in what has changed in the store, or a part of it: then *more is set. */
enum mf_code mf_tree_update(struct mf_tree *tree, bool *more, struct mf_error *err) MF_CHECK_RESULT;

/* Which actions a watcher wants to see. */
struct mf_tree_filter {
    uint32_t phases;     /* bit n: phase n; 0: every phase */
    struct mf_str names; /* part of the name shown, lower case; empty: every name */
};

/* What one watcher has seen, and what it shall see next. */
struct mf_tree_view {
    struct mf_tree_filter filter;
    uint64_t version;  /* of the tree when it was looked at last */
    uint64_t from;     /* and the time before: pending is what lies between */
    uint32_t *pending; /* numbers of nodes, parents before their children; on the heap */
    size_t pending_count;
    size_t pending_at;    /* the next to be sent */
    unsigned char *shown; /* with a filter: a bit for every node that is shown; on the heap */
    size_t shown_nodes;
};

/* Fills view->pending with what has changed since. */
enum mf_code mf_tree_look(struct mf_tree *tree, struct mf_tree_view *view,
                          struct mf_error *err) MF_CHECK_RESULT;
/* Everything pending was sent: its memory is given back. */
void mf_tree_view_rest(struct mf_tree_view *view);
void mf_tree_view_free(struct mf_tree_view *view);

struct mf_tree_node {
    struct mf_str name; /* lives as long as the tree */
    bool shown;
    int32_t below[MF_TREE_PHASES];
};
void mf_tree_node(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t number,
                  struct mf_tree_node *out);

/* The pending actions of a view as one message, when somebody with the same filter was as far and has made
 * it; NULL when not. The caller drops the reference. */
struct mf_parcel *mf_tree_shared(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t dialect);
/* Keeps such a message for a while. */
void mf_tree_share(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t dialect,
                   struct mf_parcel *parcel);

#endif
