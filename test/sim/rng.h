/* Random numbers of the simulation: splitmix64, so that a seed gives the same history everywhere. */
#ifndef MF_SIM_RNG_H
#define MF_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 <= answer < below. */
static inline int64_t rng_below(struct rng *rng, int64_t below)
{
    return (int64_t)(rng_next(rng) % (uint64_t)below);
}

/* Both ends included. */
static inline int64_t rng_range(struct rng *rng, int64_t from, int64_t to)
{
    return from + rng_below(rng, to - from + 1);
}

static inline bool rng_chance(struct rng *rng, int percent)
{
    return rng_below(rng, 100) < percent;
}

/* Every order of magnitude is as likely as any other. from > 0. */
static inline int64_t rng_scale(struct rng *rng, int64_t from, int64_t to)
{
    int doublings = 0;
    while ((from << (doublings + 1)) <= to && doublings < 40)
        doublings++;
    int64_t low = from << rng_below(rng, doublings + 1);
    int64_t high = 2 * low < to ? 2 * low : to;
    return rng_range(rng, low, high);
}

#endif
