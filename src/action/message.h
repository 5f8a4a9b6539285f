/*
 * Small pieces of messages that the services of actions and events make from rows, and back.
 */
#ifndef MF_ACTION_MESSAGE_H
#define MF_ACTION_MESSAGE_H

#include "base/time.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/google/protobuf/timestamp.pb.h"
#include "store/action.h"

/* An identifier with the memory it is made of; the strings are those of the row. org stays empty, as in every
 * answer. */
struct mf_action_id {
    struct pb_common_RunIdentifier run;
    struct pb_common_ActionIdentifier action;
};

static inline struct pb_common_ActionIdentifier *mf_action_id_of(struct mf_action_id *id,
                                                                 const struct mf_action_row *row)
{
    id->run = (struct pb_common_RunIdentifier){
        .project = row->project, .domain = row->domain, .name = row->run_name};
    id->action = (struct pb_common_ActionIdentifier){.run = &id->run, .name = row->name};
    return &id->action;
}

static inline struct pb_google_protobuf_Timestamp mf_timestamp(int64_t ns)
{
    int64_t seconds = ns / MF_SECOND_NS;
    int64_t rest = ns % MF_SECOND_NS;
    if (rest < 0) {
        seconds--;
        rest += MF_SECOND_NS;
    }
    return (struct pb_google_protobuf_Timestamp){.seconds = seconds, .nanos = (int32_t)rest};
}

/* 0 for NULL and for what does not fit. */
static inline int64_t mf_timestamp_ns(const struct pb_google_protobuf_Timestamp *time)
{
    int64_t ns = 0;
    if (!time || __builtin_mul_overflow(time->seconds, MF_SECOND_NS, &ns) ||
        __builtin_add_overflow(ns, (int64_t)time->nanos, &ns))
        return 0;
    return ns;
}

#endif
