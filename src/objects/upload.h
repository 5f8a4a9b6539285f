/*
 * Writing one object to a bucket elsewhere: in one request, or, when it is large, in parts, several at a
 * time. What is left of an upload that failed is aborted. Only files of this folder include this.
 */
#ifndef MF_OBJECTS_UPLOAD_H
#define MF_OBJECTS_UPLOAD_H

#include "objects/driver.h"
#include "objects/remote.h"

#define MF_UPLOAD_WHOLE_MAX ((size_t)16 << 20) /* bytes that go in one request */

/* done is called as that of driver.h's put. */
void mf_upload_start(struct mf_remote *remote, const struct mf_object_put *put);

#endif
