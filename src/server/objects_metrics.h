/* What /metrics tells of a bucket elsewhere that objects are kept in; nothing without one. */
#ifndef MF_SERVER_OBJECTS_METRICS_H
#define MF_SERVER_OBJECTS_METRICS_H

#include "base/buf.h"
#include "objects/object.h"

void mf_objects_metrics_write(struct mf_objects *objects, struct mf_buf *out); /* any thread */
void mf_objects_metrics_docs(struct mf_buf *out); /* rows of the table of docs/metrics.md */

#endif
