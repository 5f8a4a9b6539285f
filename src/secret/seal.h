/*
 * Encryption of secrets at rest: AES-256-GCM. Each secret is sealed with a random key of its own, and that
 * key with a master key, so that another master key means to seal the small keys anew and not the secrets. A
 * sealed text carries its nonce in front and its tag behind, and opens only under the name it was sealed
 * for: a row that somebody copies over another does not open. Pure but for randomness.
 */
#ifndef MF_SECRET_SEAL_H
#define MF_SECRET_SEAL_H

#include "base/sys.h"
#include "store/secret.h"

#define MF_SEAL_KEY 32
#define MF_SEAL_EXTRA (12 + 16) /* what a sealed text is longer than the text: nonce and tag */

struct mf_seal_key {
    unsigned char bytes[MF_SEAL_KEY];
};

/* Overwrites bytes that nobody may see any more; the memory must be the caller's. */
void mf_wipe(struct mf_str bytes);

/* Fills body and wrapped of the row, in the arena, from the value; row->id and row->key_id are set. */
enum mf_code mf_seal(const struct mf_sys *sys, struct mf_arena *arena, const struct mf_seal_key *master,
                     struct mf_str value, struct mf_secret_row *row, struct mf_error *err) MF_CHECK_RESULT;
/* The value, in the arena; the caller wipes it. MF_DATA_LOSS when the row was not sealed for this name with
 * this key. */
enum mf_code mf_unseal(struct mf_arena *arena, const struct mf_seal_key *master,
                       const struct mf_secret_row *row, struct mf_str *value,
                       struct mf_error *err) MF_CHECK_RESULT;
/* Whether the row's own key opens with the master key. */
bool mf_seal_fits(const struct mf_seal_key *master, const struct mf_secret_row *row);
/* Sets wrapped and key_id of the row: from now on the new key opens it. */
enum mf_code mf_reseal(const struct mf_sys *sys, struct mf_arena *arena, const struct mf_seal_key *old,
                       const struct mf_seal_key *master, struct mf_str key_id, struct mf_secret_row *row,
                       struct mf_error *err) MF_CHECK_RESULT;

#endif
