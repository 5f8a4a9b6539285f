/*
 * What the watchers of one run or action look at: its details, read and encoded once after a change for all
 * of them. A subject lives as long as somebody watches it.
 *
 * Any thread; a subject has a lock of its own.
 */
#ifndef MF_RUN_SUBJECT_H
#define MF_RUN_SUBJECT_H

#include "rpc/parcel.h"
#include "store/store.h"

struct mf_subjects;
struct mf_subject;

enum mf_code mf_subjects_new(struct mf_store *store, struct mf_subjects **out,
                             struct mf_error *err) MF_CHECK_RESULT;
void mf_subjects_free(struct mf_subjects *subjects); /* nobody watches any more; NULL is fine */
/* NULL when memory ran out. Get it before following the topic of the action: of those that are woken by a
 * change a subject then comes first, and none of them is shown what was before. */
struct mf_subject *mf_subject_get(struct mf_subjects *subjects, int64_t run_id, struct mf_str action);
void mf_subject_put(struct mf_subject *subject); /* NULL is fine */

struct mf_subject_view {
    bool whole_run;   /* as WatchRunDetails shows it, else as WatchActionDetails does */
    uint64_t version; /* of what was sent last; 0: nothing yet */
};
/* The newest state as a message of the call, when it is not what the view has seen or again says so; else
 * *out is NULL. *final: there will be no other. The caller drops the reference. */
enum mf_code mf_subject_look(struct mf_subject *subject, struct mf_call *call, struct mf_subject_view *view,
                             bool again, struct mf_parcel **out, bool *final,
                             struct mf_error *err) MF_CHECK_RESULT;

#endif
