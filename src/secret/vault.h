/*
 * The vault: master keys and sealed rows together. Whoever starts a task finds values here, SecretService
 * puts them in. Opening it checks that the keys fit the rows, so that a lost or foreign key file is noticed
 * at the start and not by a task in the night.
 *
 * Any thread. A change of the master key survives a crash at any moment: the new key is in the file before a
 * row depends on it, the old one until no row does, and opening finishes what was begun.
 */
#ifndef MF_SECRET_VAULT_H
#define MF_SECRET_VAULT_H

#include "secret/seal.h"
#include "store/store.h"

struct mf_vault;

/* Makes the key file at the first start. MF_FAILED_PRECONDITION or MF_DATA_LOSS, with what to do, when the
 * file does not fit the secrets. Waits for the writer: for start-up only. key_file must outlive the vault. */
enum mf_code mf_vault_open(const struct mf_sys *sys, struct mf_store *store, const char *key_file,
                           struct mf_vault **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_vault_close(struct mf_vault *vault); /* NULL is fine */

/* Seals the value for row->id under the newest key: sets key_id, wrapped and body, in the arena. */
enum mf_code mf_vault_seal(struct mf_vault *vault, struct mf_arena *arena, struct mf_str value,
                           struct mf_secret_row *row, struct mf_error *err) MF_CHECK_RESULT;
/* Inside the command that stores the row, since the newest key may be another one by then. */
enum mf_code mf_vault_renew(struct mf_vault *vault, struct mf_arena *arena, struct mf_secret_row *row,
                            struct mf_error *err) MF_CHECK_RESULT;
/* The secret that a task of the project and domain sees under this name: that of the project, else of the
 * domain, else the global one. MF_NOT_FOUND. The value lives in the arena; the caller wipes it. */
enum mf_code mf_vault_find(struct mf_vault *vault, struct mf_arena *arena, const struct mf_secret_id *id,
                           struct mf_str *value, struct mf_error *err) MF_CHECK_RESULT;
/* Makes a new master key, seals every row anew, and forgets the older keys. Waits for the writer, so never on
 * its thread or on an I/O thread; one at a time. */
enum mf_code mf_vault_rotate(struct mf_vault *vault, size_t *rows, struct mf_error *err) MF_CHECK_RESULT;

#endif
