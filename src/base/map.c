#include "base/map.h"

#include <stdlib.h>

/* Open addressing with linear probing and backward-shift deletion; at most 3/4 full. */
struct slot {
    uint64_t hash;
    char *key;
    size_t key_len;
    void *value; /* NULL: empty */
};

struct mf_map {
    struct slot *slots;
    size_t capacity; /* power of two, or 0 */
    size_t count;
    uint64_t seed[2];
};

static uint64_t rotl(uint64_t x, unsigned b)
{
    return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein). */
static uint64_t hash_of(const struct mf_map *map, struct mf_str key)
{
    uint64_t v[4] = {map->seed[0] ^ 0x736f6d6570736575, map->seed[1] ^ 0x646f72616e646f6d,
                     map->seed[0] ^ 0x6c7967656e657261, map->seed[1] ^ 0x7465646279746573};
    size_t i = 0;
    for (; i + 8 <= key.len; i += 8) {
        uint64_t word;
        memcpy(&word, key.ptr + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = 0;
    if (key.len > i)
        memcpy(&last, key.ptr + i, key.len - i);
    last |= (uint64_t)key.len << 56;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct mf_map *mf_map_new(uint64_t seed)
{
    struct mf_map *map = calloc(1, sizeof *map);
    if (map) {
        map->seed[0] = seed;
        map->seed[1] = seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;
    }
    return map;
}

void mf_map_free(struct mf_map *map, void (*free_value)(void *value))
{
    if (!map)
        return;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value && free_value)
            free_value(map->slots[i].value);
        free(map->slots[i].key);
    }
    free(map->slots);
    free(map);
}

size_t mf_map_count(const struct mf_map *map)
{
    return map->count;
}

/* The slot that holds the key, or the empty one where it would go. capacity must not be 0. */
static struct slot *probe(const struct mf_map *map, struct mf_str key, uint64_t hash)
{
    size_t i = (size_t)hash & (map->capacity - 1);
    for (;;) {
        struct slot *slot = &map->slots[i];
        if (!slot->value)
            return slot;
        if (slot->hash == hash && mf_str_eq(mf_str_make(slot->key, slot->key_len), key))
            return slot;
        i = (i + 1) & (map->capacity - 1);
    }
}

void *mf_map_get(const struct mf_map *map, struct mf_str key)
{
    return map->count > 0 ? probe(map, key, hash_of(map, key))->value : NULL;
}

static bool grow(struct mf_map *map)
{
    size_t capacity = map->capacity > 0 ? map->capacity * 2 : 16;
    struct slot *old = map->slots;
    size_t old_capacity = map->capacity;
    struct slot *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return false;
    map->slots = slots;
    map->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].value)
            *probe(map, mf_str_make(old[i].key, old[i].key_len), old[i].hash) = old[i];
    }
    free(old);
    return true;
}

bool mf_map_put(struct mf_map *map, struct mf_str key, void *value, void **old)
{
    if ((map->count + 1) * 4 > map->capacity * 3 && !grow(map))
        return false;
    uint64_t hash = hash_of(map, key);
    struct slot *slot = probe(map, key, hash);
    if (old)
        *old = slot->value;
    if (!slot->value) {
        char *copy = malloc(key.len > 0 ? key.len : 1);
        if (!copy)
            return false;
        if (key.len > 0)
            memcpy(copy, key.ptr, key.len);
        *slot = (struct slot){.hash = hash, .key = copy, .key_len = key.len};
        map->count++;
    }
    slot->value = value;
    return true;
}

void *mf_map_remove(struct mf_map *map, struct mf_str key)
{
    if (map->count == 0)
        return NULL;
    struct slot *slot = probe(map, key, hash_of(map, key));
    void *value = slot->value;
    if (!value)
        return NULL;
    free(slot->key);
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        size_t home = (size_t)map->slots[i].hash & mask;
        /* Move back only what may live in the hole: whose home is not between the hole and here. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct slot){0};
    map->count--;
    return value;
}

void mf_map_each(const struct mf_map *map, bool (*visit)(void *ctx, struct mf_str key, void *value),
                 void *ctx)
{
    for (size_t i = 0; i < map->capacity; i++) {
        const struct slot *slot = &map->slots[i];
        if (slot->value && !visit(ctx, mf_str_make(slot->key, slot->key_len), slot->value))
            return;
    }
}
