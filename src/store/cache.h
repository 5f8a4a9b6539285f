/*
 * Cached outputs and the reservations of those who are about to make one. An entry belongs to (project,
 * domain, key). Who may call what: as in store/project.h.
 */
#ifndef MF_STORE_CACHE_H
#define MF_STORE_CACHE_H

#include "store/db.h"

struct mf_cache_key {
    struct mf_str project, domain, key;
};

struct mf_cache_row {
    struct mf_cache_key key;
    struct mf_str output_uri; /* folder that holds outputs.pb */
    struct mf_str metadata;   /* encoded flyteidl2.cacheservice.Metadata; its times are those below */
    int64_t created_at, updated_at;
};

/* MF_NOT_FOUND: "cache entry not found: p/d/key". */
enum mf_code mf_cache_get(struct mf_db *db, struct mf_arena *arena, const struct mf_cache_key *key,
                          struct mf_cache_row *out, struct mf_error *err) MF_CHECK_RESULT;
/* An entry whose updated_at is replace_before or earlier is replaced (created_at is kept), a newer one is
 * MF_ALREADY_EXISTS. INT64_MIN: never replace; INT64_MAX: always. */
enum mf_code mf_cache_put(struct mf_db *db, const struct mf_cache_row *row, int64_t replace_before,
                          struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND as above. */
enum mf_code mf_cache_delete(struct mf_db *db, const struct mf_cache_key *key,
                             struct mf_error *err) MF_CHECK_RESULT;

struct mf_reservation_row {
    struct mf_cache_key key;
    struct mf_str owner;
    int64_t heartbeat_ns;
    int64_t expires_at;
};

/* Takes or extends the reservation when it is free, expired at now or already the owner's; *holder is who has
 * it afterwards. */
enum mf_code mf_reservation_take(struct mf_db *db, struct mf_arena *arena,
                                 const struct mf_reservation_row *wanted, int64_t now,
                                 struct mf_reservation_row *holder, struct mf_error *err) MF_CHECK_RESULT;
/* *changed (may be NULL) tells whether the owner had it. */
enum mf_code mf_reservation_release(struct mf_db *db, const struct mf_cache_key *key, struct mf_str owner,
                                    bool *changed, struct mf_error *err) MF_CHECK_RESULT;
/* Removes the reservations that had expired at now. */
enum mf_code mf_reservation_purge(struct mf_db *db, int64_t now, struct mf_error *err) MF_CHECK_RESULT;

#endif
