/*
 * The master keys of the secrets, in a file of the data directory that only its owner can read. Each line is
 * a name and a key; the first one seals what is written, the others open what is older until nothing is left
 * under them. Names are random, so that a row's key cannot be mistaken for another one.
 *
 * Not thread-safe: the vault guards it. Keys stay out of core dumps and out of swap where the system allows.
 */
#ifndef MF_SECRET_KEYRING_H
#define MF_SECRET_KEYRING_H

#include "secret/seal.h"

#define MF_KEY_ID 16 /* characters */
#define MF_KEYS_MAX 16

struct mf_keyring;

/* MF_NOT_FOUND when there is no file; MF_FAILED_PRECONDITION when others can read it; MF_DATA_LOSS when it is
 * no file of keys. All say what to do. path must stay. */
enum mf_code mf_keyring_load(const struct mf_sys *sys, const char *path, struct mf_keyring **out,
                             struct mf_error *err) MF_CHECK_RESULT;
/* A new file with one key. */
enum mf_code mf_keyring_create(const struct mf_sys *sys, const char *path, struct mf_keyring **out,
                               struct mf_error *err) MF_CHECK_RESULT;
void mf_keyring_free(struct mf_keyring *ring); /* NULL is fine */

size_t mf_keyring_count(const struct mf_keyring *ring);
/* That of the first key; constant text as long as the ring lives. */
struct mf_str mf_keyring_primary(const struct mf_keyring *ring);
/* NULL when the ring has no key of that name. */
const struct mf_seal_key *mf_keyring_find(const struct mf_keyring *ring, struct mf_str id);
/* Puts a new key in front, in the file first. MF_RESOURCE_EXHAUSTED when there are too many. */
enum mf_code mf_keyring_add(struct mf_keyring *ring, struct mf_error *err) MF_CHECK_RESULT;
/* Takes all keys but the first out of the file. The ring keeps them until it is loaded again, for what was
 * sealed under one of them and is still on its way. */
enum mf_code mf_keyring_prune(struct mf_keyring *ring, struct mf_error *err) MF_CHECK_RESULT;

#endif
