/*
 * A body that is being received: collected in memory up to the store's inline bound, beyond it in a file of
 * its own. It is hashed as it comes. One thread at a time.
 *
 * The file's name is final from the start: what makes a body an object is the row that names the file, and a
 * file that no row names is removed at the next start. So there is no temporary name and no rename.
 */
#ifndef MF_OBJECTS_BODY_H
#define MF_OBJECTS_BODY_H

#include "objects/state.h"

struct mf_body;

enum { MF_BODY_MD5 = 1, MF_BODY_SHA256 = 2 };

/* in_file: also when it is small. */
enum mf_code mf_body_new(struct mf_objects *objects, int hashes, bool in_file, struct mf_body **out,
                         struct mf_error *err) MF_CHECK_RESULT;
/* MF_RESOURCE_EXHAUSTED beyond the largest object. */
enum mf_code mf_body_add(struct mf_body *body, struct mf_str bytes, struct mf_error *err) MF_CHECK_RESULT;
/* No more comes: makes the file durable and ends the hashes. */
enum mf_code mf_body_end(struct mf_body *body, struct mf_error *err) MF_CHECK_RESULT;
int64_t mf_body_size(const struct mf_body *body);
struct mf_str mf_body_bytes(const struct mf_body *body); /* empty when in a file */
const char *mf_body_file(const struct mf_body *body);    /* "" when in memory */
struct mf_str
mf_body_md5(const struct mf_body *body); /* 16 bytes after mf_body_end; empty when not asked for */
struct mf_str mf_body_sha256(const struct mf_body *body);
void mf_body_keep(struct mf_body *body); /* the file belongs to a committed row now */
void mf_body_free(struct mf_body *body); /* removes the file unless it is kept; NULL is fine */

#endif
