#include "run/tree.h"

#include "base/list.h"
#include "base/map.h"
#include "store/action.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NODES_MAX 2000000 /* actions of a run that can be watched */
#define BATCH 1000
#define NO_NODE UINT32_MAX

/* Messages that are kept for those who are as far as the one they were made for. */
#define SHARES 4
#define SHARED_NAMES 64 /* the longest filter on names with which messages are shared */

struct node {
    struct mf_link link; /* in order of version */
    struct mf_str name;
    struct mf_str label; /* what the filter on names looks at, lower case */
    int64_t created_at;
    uint64_t version; /* of the tree when it changed last */
    uint32_t number;
    uint32_t parent; /* NO_NODE: the root, or not known yet */
    uint32_t first_child, next_sibling;
    int32_t phase;
    int32_t below[MF_TREE_PHASES];
    bool known;  /* false: only a child has named it so far */
    bool rooted; /* all above it are known; until then it waits and nobody is shown it */
};

struct share {
    uint64_t from, to; /* versions */
    uint32_t dialect, phases;
    size_t names_len;
    char names[SHARED_NAMES];
    struct mf_parcel *parcel; /* NULL: not used */
};

struct mf_tree {
    struct mf_trees *trees;
    int64_t run_id;
    struct mf_subscription subscription;
    _Atomic bool stale; /* there may be newer rows */
    size_t refs;        /* under the lock of trees */
    pthread_mutex_t lock;
    struct share shares[SHARES];
    uint32_t next_share; /* the one to be replaced next */
    struct mf_arena *arena;
    struct mf_map *names;
    struct node **nodes;
    size_t count, cap;
    struct mf_list changed; /* of nodes, oldest version first */
    uint64_t version;
    int64_t seq;
};

struct mf_trees {
    struct mf_store *store;
    pthread_mutex_t lock;
    struct mf_map *runs;
};

static uint64_t seed(struct mf_store *store)
{
    uint64_t value = 0;
    const struct mf_sys *sys = mf_store_sys(store);
    sys->random(sys->ctx, &value, sizeof value);
    return value;
}

enum mf_code mf_trees_new(struct mf_store *store, struct mf_trees **out, struct mf_error *err)
{
    struct mf_trees *trees = calloc(1, sizeof *trees);
    if (!trees)
        return mf_fail_memory(err);
    trees->store = store;
    trees->runs = mf_map_new(seed(store));
    if (!trees->runs || pthread_mutex_init(&trees->lock, NULL) != 0) {
        mf_map_free(trees->runs, NULL);
        free(trees);
        return mf_fail_memory(err);
    }
    *out = trees;
    return MF_OK;
}

void mf_trees_free(struct mf_trees *trees)
{
    if (!trees)
        return;
    mf_map_free(trees->runs, NULL);
    pthread_mutex_destroy(&trees->lock);
    free(trees);
}

static void free_tree(struct mf_tree *tree)
{
    for (size_t i = 0; i < SHARES; i++)
        mf_parcel_unref(tree->shares[i].parcel);
    mf_map_free(tree->names, NULL);
    mf_arena_free(tree->arena);
    free(tree->nodes);
    pthread_mutex_destroy(&tree->lock);
    free(tree);
}

static struct mf_tree *new_tree(struct mf_trees *trees, int64_t run_id)
{
    struct mf_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return NULL;
    if (pthread_mutex_init(&tree->lock, NULL) != 0) {
        free(tree);
        return NULL;
    }
    tree->trees = trees;
    tree->run_id = run_id;
    tree->arena = mf_arena_new((size_t)1 << 30);
    tree->names = mf_map_new(seed(trees->store));
    mf_list_init(&tree->changed);
    atomic_init(&tree->stale, true);
    if (!tree->arena || !tree->names) {
        free_tree(tree);
        return NULL;
    }
    return tree;
}

static void on_change(struct mf_subscription *subscription)
{
    atomic_store(&MF_CONTAINER(subscription, struct mf_tree, subscription)->stale, true);
}

static struct mf_str key_of(const int64_t *run_id)
{
    return mf_str_make(run_id, sizeof *run_id);
}

struct mf_tree *mf_tree_get(struct mf_trees *trees, int64_t run_id)
{
    pthread_mutex_lock(&trees->lock);
    struct mf_tree *tree = mf_map_get(trees->runs, key_of(&run_id));
    if (!tree) {
        tree = new_tree(trees, run_id);
        if (tree && !mf_map_put(trees->runs, key_of(&run_id), tree, NULL)) {
            free_tree(tree);
            tree = NULL;
        }
        if (tree)
            mf_hub_subscribe(mf_store_hub(trees->store), &tree->subscription,
                             (struct mf_topic){.kind = MF_TOPIC_RUN, .run_id = run_id}, on_change);
    }
    if (tree)
        tree->refs++;
    pthread_mutex_unlock(&trees->lock);
    return tree;
}

void mf_tree_put(struct mf_tree *tree)
{
    if (!tree)
        return;
    struct mf_trees *trees = tree->trees;
    pthread_mutex_lock(&trees->lock);
    bool last = --tree->refs == 0;
    if (last) {
        mf_map_remove(trees->runs, key_of(&tree->run_id));
        mf_hub_unsubscribe(mf_store_hub(trees->store), &tree->subscription);
    }
    pthread_mutex_unlock(&trees->lock);
    if (last)
        free_tree(tree);
}

/* ---- taking in rows; the tree is locked ---- */

static void touch(struct mf_tree *tree, struct node *node)
{
    mf_list_remove(&tree->changed, &node->link);
    mf_list_push(&tree->changed, &node->link);
    node->version = tree->version;
}

static struct node *add_node(struct mf_tree *tree, struct mf_str name)
{
    if (tree->count == NODES_MAX)
        return NULL;
    if (tree->count == tree->cap) {
        size_t cap = tree->cap > 0 ? tree->cap * 2 : 64;
        struct node **grown = realloc(tree->nodes, cap * sizeof(struct node *));
        if (!grown)
            return NULL;
        tree->nodes = grown;
        tree->cap = cap;
    }
    struct node *node = MF_NEW(tree->arena, struct node);
    if (!node)
        return NULL;
    node->name = mf_str_copy(tree->arena, name);
    node->number = (uint32_t)tree->count;
    node->parent = NO_NODE;
    node->first_child = NO_NODE;
    node->next_sibling = NO_NODE;
    if (!node->name.ptr || !mf_map_put(tree->names, name, node, NULL))
        return NULL;
    tree->nodes[tree->count++] = node;
    mf_list_push(&tree->changed, &node->link);
    node->version = tree->version;
    return node;
}

static struct node *find_or_add(struct mf_tree *tree, struct mf_str name)
{
    struct node *node = mf_map_get(tree->names, name);
    return node ? node : add_node(tree, name);
}

static struct node *parent_of(const struct mf_tree *tree, const struct node *node)
{
    return node->parent == NO_NODE ? NULL : tree->nodes[node->parent];
}

/* Adds the counts to everything above the node. */
static void add_above(struct mf_tree *tree, const struct node *node, const int32_t counts[MF_TREE_PHASES])
{
    size_t steps = 0;
    for (struct node *up = parent_of(tree, node); up && steps < tree->count;
         up = parent_of(tree, up), steps++) {
        for (int i = 0; i < MF_TREE_PHASES; i++)
            up->below[i] += counts[i];
        touch(tree, up);
    }
}

static bool is_above(const struct mf_tree *tree, const struct node *above, const struct node *node)
{
    size_t steps = 0;
    for (const struct node *up = node; up && steps <= tree->count; up = parent_of(tree, up), steps++) {
        if (up == above)
            return true;
    }
    return false;
}

/* The name shown: the last part of the task's name, or that of the action. */
static struct mf_str label_of(struct mf_arena *arena, const struct mf_action_row *row)
{
    struct mf_str name = row->task_name.len > 0 ? row->task_name : row->name;
    size_t dot = name.len;
    while (dot > 0 && name.ptr[dot - 1] != '.')
        dot--;
    struct mf_str part = mf_str_skip(name, dot);
    char *text = mf_arena_bytes(arena, part.len + 1);
    for (size_t i = 0; text && i < part.len; i++)
        text[i] = part.ptr[i] >= 'A' && part.ptr[i] <= 'Z' ? (char)(part.ptr[i] - 'A' + 'a') : part.ptr[i];
    return mf_str_make(text, part.len);
}

static int32_t known_phase(int32_t phase)
{
    return phase >= 0 && phase < MF_TREE_PHASES ? phase : 0;
}

/* The node and all below it can be shown now. */
static void take_root(struct mf_tree *tree, struct node *top)
{
    struct node *node = top;
    for (;;) {
        if (node->known && !node->rooted) {
            node->rooted = true;
            touch(tree, node);
            if (node->first_child != NO_NODE) {
                node = tree->nodes[node->first_child];
                continue;
            }
        }
        while (node != top && node->next_sibling == NO_NODE)
            node = tree->nodes[node->parent];
        if (node == top)
            return;
        node = tree->nodes[node->next_sibling];
    }
}

/* A row that is seen for the first time brings along what its children have counted already. */
static bool learn(struct mf_tree *tree, struct node *node, const struct mf_action_row *row)
{
    int32_t counts[MF_TREE_PHASES];
    node->label = label_of(tree->arena, row);
    node->known = true;
    node->phase = known_phase(row->phase);
    node->created_at = row->created_at;
    if (!node->label.ptr)
        return false;
    if (row->parent.len > 0) {
        struct node *parent = find_or_add(tree, row->parent);
        if (!parent)
            return false;
        /* A ring can only come from a damaged store. Its actions wait for ever, the others are shown. */
        if (node->first_child == NO_NODE ? node != parent : !is_above(tree, node, parent)) {
            node->parent = parent->number;
            node->next_sibling = parent->first_child;
            parent->first_child = node->number;
        }
    }
    memcpy(counts, node->below, sizeof counts);
    counts[node->phase]++;
    touch(tree, node);
    add_above(tree, node, counts);
    if (row->parent.len == 0 || (node->parent != NO_NODE && tree->nodes[node->parent]->rooted))
        take_root(tree, node);
    return true;
}

static bool take(struct mf_tree *tree, const struct mf_action_row *row)
{
    int32_t counts[MF_TREE_PHASES] = {0};
    struct node *node = find_or_add(tree, row->name);
    if (!node)
        return false;
    if (!node->known)
        return learn(tree, node, row);
    int32_t phase = known_phase(row->phase);
    node->created_at = row->created_at;
    touch(tree, node);
    if (phase != node->phase) {
        counts[node->phase]--;
        counts[phase]++;
        node->phase = phase;
        add_above(tree, node, counts);
    }
    return true;
}

struct taking {
    struct mf_tree *tree;
    size_t rows;
    bool failed;
};

static bool take_row(void *ctx, const struct mf_action_row *row)
{
    struct taking *taking = ctx;
    taking->rows++;
    taking->failed = !take(taking->tree, row);
    if (!taking->failed)
        taking->tree->seq = row->seq;
    return !taking->failed;
}

static enum mf_code take_batch(struct mf_tree *tree, struct taking *taking, struct mf_error *err)
{
    struct mf_store *store = tree->trees->store;
    struct mf_db *db = NULL;
    struct mf_arena *scratch = mf_arena_new(0);
    enum mf_code code = scratch ? mf_store_reader(store, &db, err) : mf_fail_memory(err);
    tree->version++;
    if (code == MF_OK)
        code = mf_action_of_run(db, scratch, tree->run_id, tree->seq, BATCH, take_row, taking, err);
    if (code == MF_OK && taking->failed)
        code = mf_fail_memory(err);
    mf_store_reader_done(store, db);
    mf_arena_free(scratch);
    return code;
}

enum mf_code mf_tree_update(struct mf_tree *tree, bool *more, struct mf_error *err)
{
    struct taking taking = {.tree = tree};
    enum mf_code code = MF_OK;
    pthread_mutex_lock(&tree->lock);
    /* Reset before reading, so that a change meanwhile makes it stale again. */
    if (atomic_exchange(&tree->stale, false))
        code = take_batch(tree, &taking, err);
    if (code != MF_OK || taking.rows == BATCH)
        atomic_store(&tree->stale, true);
    *more = taking.rows == BATCH;
    pthread_mutex_unlock(&tree->lock);
    return code;
}

/* ---- views; the tree is locked ---- */

static bool bit(const unsigned char *bits, size_t bit_count, uint32_t number)
{
    return number < bit_count && (bits[number / 8] >> (number % 8) & 1);
}

static void set_bit(unsigned char *bits, uint32_t number)
{
    bits[number / 8] = (unsigned char)(bits[number / 8] | 1 << (number % 8));
}

static bool filters(const struct mf_tree_filter *filter)
{
    return filter->phases != 0 || filter->names.len > 0;
}

static bool matches(const struct mf_tree_filter *filter, const struct node *node)
{
    if (filter->phases != 0 && !(filter->phases >> node->phase & 1))
        return false;
    return filter->names.len == 0 || mf_str_find(node->label, filter->names) != SIZE_MAX;
}

/* Shown is what matches, and the way to it. NULL when memory ran out. */
static unsigned char *shown_nodes(const struct mf_tree *tree, const struct mf_tree_filter *filter)
{
    unsigned char *bits = calloc(tree->count / 8 + 1, 1);
    for (size_t i = 0; bits && i < tree->count; i++) {
        const struct node *node = tree->nodes[i];
        if (!node->rooted || !matches(filter, node))
            continue;
        for (const struct node *up = node; up && !bit(bits, tree->count, up->number);
             up = parent_of(tree, up))
            set_bit(bits, up->number);
    }
    return bits;
}

static bool add_pending(struct mf_tree_view *view, size_t *cap, uint32_t number)
{
    if (view->pending_count == *cap) {
        size_t wanted = *cap > 0 ? *cap * 2 : 64;
        uint32_t *grown = realloc(view->pending, wanted * sizeof *grown);
        if (!grown)
            return false;
        view->pending = grown;
        *cap = wanted;
    }
    view->pending[view->pending_count++] = number;
    return true;
}

struct sorting {
    uint32_t number;
    uint32_t depth;
    int64_t created_at;
};

static int by_age(const void *left, const void *right)
{
    const struct sorting *a = left;
    const struct sorting *b = right;
    if (a->created_at != b->created_at)
        return a->created_at < b->created_at ? -1 : 1;
    if (a->depth != b->depth)
        return a->depth < b->depth ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* By age, except that nothing comes before what is above it, whatever its clock says. */
static struct sorting place_of(const struct mf_tree *tree, const struct node *node)
{
    struct sorting place = {.number = node->number, .created_at = node->created_at};
    for (const struct node *up = parent_of(tree, node); up && place.depth < tree->count;
         up = parent_of(tree, up), place.depth++) {
        if (up->created_at > place.created_at)
            place.created_at = up->created_at;
    }
    return place;
}

static bool sort_pending(const struct mf_tree *tree, struct mf_tree_view *view)
{
    struct sorting *order = calloc(view->pending_count + 1, sizeof *order);
    if (!order)
        return false;
    for (size_t i = 0; i < view->pending_count; i++)
        order[i] = place_of(tree, tree->nodes[view->pending[i]]);
    qsort(order, view->pending_count, sizeof *order, by_age);
    for (size_t i = 0; i < view->pending_count; i++)
        view->pending[i] = order[i].number;
    free(order);
    return true;
}

static bool look(struct mf_tree *tree, struct mf_tree_view *view)
{
    bool filtered = filters(&view->filter);
    unsigned char *shown = filtered ? shown_nodes(tree, &view->filter) : NULL;
    size_t cap = 0;
    bool ok = shown || !filtered;
    struct mf_link *link = tree->changed.head.prev;
    for (; ok && !filtered && link != &tree->changed.head; link = link->prev) {
        const struct node *node = MF_CONTAINER(link, struct node, link);
        if (node->version <= view->version)
            break;
        ok = !node->rooted || add_pending(view, &cap, node->number);
    }
    for (size_t i = 0; ok && filtered && i < tree->count; i++) {
        const struct node *node = tree->nodes[i];
        bool before = view->shown && bit(view->shown, view->shown_nodes, node->number);
        bool now = bit(shown, tree->count, node->number);
        if (node->rooted && ((now && (!before || node->version > view->version)) || (!now && before)))
            ok = add_pending(view, &cap, node->number);
    }
    if (!ok || !sort_pending(tree, view)) {
        free(shown);
        return false;
    }
    free(view->shown);
    view->shown = shown;
    view->shown_nodes = tree->count;
    view->from = view->version;
    view->version = tree->version;
    return true;
}

void mf_tree_view_rest(struct mf_tree_view *view)
{
    free(view->pending);
    view->pending = NULL;
    view->pending_count = 0;
    view->pending_at = 0;
}

enum mf_code mf_tree_look(struct mf_tree *tree, struct mf_tree_view *view, struct mf_error *err)
{
    mf_tree_view_rest(view);
    pthread_mutex_lock(&tree->lock);
    bool ok = look(tree, view);
    pthread_mutex_unlock(&tree->lock);
    return ok ? MF_OK : mf_fail_memory(err);
}

void mf_tree_view_free(struct mf_tree_view *view)
{
    free(view->pending);
    free(view->shown);
    *view = (struct mf_tree_view){0};
}

void mf_tree_node(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t number,
                  struct mf_tree_node *out)
{
    pthread_mutex_lock(&tree->lock);
    const struct node *node = tree->nodes[number];
    out->name = node->name;
    out->shown = !view->shown || bit(view->shown, view->shown_nodes, number);
    memcpy(out->below, node->below, sizeof out->below);
    pthread_mutex_unlock(&tree->lock);
}

/* ---- shared messages ---- */

static struct share *find_share(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t dialect)
{
    struct mf_str names = view->filter.names;
    for (size_t i = 0; i < SHARES; i++) {
        struct share *share = &tree->shares[i];
        if (share->parcel && share->from == view->from && share->to == view->version &&
            share->dialect == dialect && share->phases == view->filter.phases &&
            mf_str_eq(mf_str_make(share->names, share->names_len), names))
            return share;
    }
    return NULL;
}

struct mf_parcel *mf_tree_shared(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t dialect)
{
    pthread_mutex_lock(&tree->lock);
    struct share *share = find_share(tree, view, dialect);
    struct mf_parcel *parcel = share ? mf_parcel_ref(share->parcel) : NULL;
    pthread_mutex_unlock(&tree->lock);
    return parcel;
}

void mf_tree_share(struct mf_tree *tree, const struct mf_tree_view *view, uint32_t dialect,
                   struct mf_parcel *parcel)
{
    struct mf_str names = view->filter.names;
    pthread_mutex_lock(&tree->trees->lock);
    bool alone = tree->refs == 1;
    pthread_mutex_unlock(&tree->trees->lock);
    if (alone || names.len > SHARED_NAMES)
        return;
    pthread_mutex_lock(&tree->lock);
    struct share *share = &tree->shares[tree->next_share++ % SHARES];
    mf_parcel_unref(share->parcel);
    *share = (struct share){.from = view->from,
                            .to = view->version,
                            .dialect = dialect,
                            .phases = view->filter.phases,
                            .names_len = names.len,
                            .parcel = mf_parcel_ref(parcel)};
    if (names.len > 0)
        memcpy(share->names, names.ptr, names.len);
    pthread_mutex_unlock(&tree->lock);
}
