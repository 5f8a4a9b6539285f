/*
 * The leaves of flyteidl2.settings.Settings, as a table: where each lies, and of what kind it is. Merging and
 * checking walk it, so that a new leaf is one line there. Pure.
 */
#ifndef MF_SETTING_LEAF_H
#define MF_SETTING_LEAF_H

#include "gen/flyteidl2/settings/settings_definition.pb.h"

enum mf_leaf_kind {
    MF_LEAF_STRING,
    MF_LEAF_INT,
    MF_LEAF_BOOL,
    MF_LEAF_QUANTITY,
    MF_LEAF_MAP,
    MF_LEAF_ACCELERATOR,
};

struct mf_leaf {
    const char *path; /* "run.default_queue" */
    enum mf_leaf_kind kind;
    int group;
    size_t offset; /* of the pointer to the leaf in its group */
};

#define MF_LEAF_COUNT 21
extern const struct mf_leaf mf_leaves[MF_LEAF_COUNT];

/* Where the pointer to the leaf is. Groups that are missing on the way are made when arena is given; without
 * one the answer is then NULL, as when memory ran out. */
void **mf_leaf_slot(const struct mf_leaf *leaf, struct pb_settings_Settings *settings,
                    struct mf_arena *arena);
/* The members that every kind of leaf has. */
int32_t *mf_leaf_state(const struct mf_leaf *leaf, void *value);
int32_t *mf_leaf_level(const struct mf_leaf *leaf, void *value);

#endif
