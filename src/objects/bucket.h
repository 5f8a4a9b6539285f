/*
 * A bucket on an S3 server elsewhere: AWS, Google's Cloud Storage by its interoperable interface, MinIO and
 * others.
 *
 * Every request is signed, has a deadline, and is tried again when that cannot do harm (objects/remote.h).
 * Objects above 16 MiB are sent in parts. While the server is known to be out of reach, requests fail at
 * once, and the bucket is tried again every few seconds until it can be written again.
 *
 * Functions may be called by any thread. Only files of this folder include this.
 */
#ifndef MF_OBJECTS_BUCKET_H
#define MF_OBJECTS_BUCKET_H

#include "objects/driver.h"

struct mf_bucket;

/* As mf_objects_check. */
enum mf_code mf_bucket_check(const struct mf_bucket_config *config, struct mf_error *err) MF_CHECK_RESULT;
/* Looks for credentials and writes a small object; waits for both. MF_FAILED_PRECONDITION says what to do. */
enum mf_code mf_bucket_open(const struct mf_sys *sys, const struct mf_bucket_config *config,
                            struct mf_bucket **out, struct mf_error *err) MF_CHECK_RESULT;
/* Ends what is under way, whose done is called with MF_UNAVAILABLE. NULL is fine. */
void mf_bucket_close(struct mf_bucket *bucket);
struct mf_str mf_bucket_base(const struct mf_bucket *bucket);
void mf_bucket_stats(struct mf_bucket *bucket, struct mf_objects_stats *out);
bool mf_bucket_trouble(struct mf_bucket *bucket, char *text, size_t size);

#endif
