/* What /metrics tells of the scheduler. */
#ifndef MF_SERVER_SCHEDULE_METRICS_H
#define MF_SERVER_SCHEDULE_METRICS_H

#include "base/buf.h"
#include "schedule/scheduler.h"

void mf_schedule_metrics_write(struct mf_scheduler *scheduler, struct mf_buf *out); /* any thread */
void mf_schedule_metrics_docs(struct mf_buf *out); /* rows of the table of docs/metrics.md */

#endif
