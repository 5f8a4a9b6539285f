/*
 * What the requests of both services do inside a command. Private to event/.
 */
#ifndef MF_EVENT_RECORD_H
#define MF_EVENT_RECORD_H

#include "store/writer.h"

struct pb_workflow_ActionEvent;
struct pb_workflow_RecordActionRequest;
struct pb_workflow_UpdateActionStatusRequest;

/* Inserts the action unless it is there, and moves it along with events that came before. */
enum mf_code mf_record_action(struct mf_tx *tx, const struct pb_workflow_RecordActionRequest *request,
                              struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_record_status(struct mf_tx *tx, const struct pb_workflow_UpdateActionStatusRequest *request,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Events of a batch that were not kept, and why the first was not. */
struct mf_left_out {
    size_t count, first;
    struct mf_error why;
};
/* An event that cannot be kept (its run is unknown, its identifier is not whole) is left out: batches mix the
 * events of many runs, and a sender repeats a refused batch as a whole, for ever. */
enum mf_code mf_record_events(struct mf_tx *tx, struct pb_workflow_ActionEvent *const *events, size_t count,
                              struct mf_left_out *left_out, struct mf_error *err) MF_CHECK_RESULT;

#endif
