/*
 * A hash map from byte strings to pointers. Keys are copied in; values belong to the caller. Hashing is
 * keyed with a random seed per map so that a client cannot choose keys that collide. Not thread-safe.
 */
#ifndef MF_BASE_MAP_H
#define MF_BASE_MAP_H

#include "base/str.h"

struct mf_map;

struct mf_map *mf_map_new(uint64_t seed);
void mf_map_free(struct mf_map *map, void (*free_value)(void *value)); /* free_value may be NULL */
size_t mf_map_count(const struct mf_map *map);
void *mf_map_get(const struct mf_map *map, struct mf_str key); /* NULL when absent */
/* Stores value (not NULL) and hands back what was there before through *old when old is not NULL.
 * False when memory ran out; the map is then unchanged. */
bool mf_map_put(struct mf_map *map, struct mf_str key, void *value, void **old);
void *mf_map_remove(struct mf_map *map, struct mf_str key); /* the value that was there, or NULL */
/* Walks all entries in no particular order; stops when visit returns false. The map must not change
 * meanwhile. */
void mf_map_each(const struct mf_map *map, bool (*visit)(void *ctx, struct mf_str key, void *value),
                 void *ctx);

#endif
