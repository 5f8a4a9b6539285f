/*
 * Who makes a call. Found once per call, on a worker thread, before the request is decoded and the handler
 * runs, by whoever was set with mf_rpc_set_identify; without one every call is anonymous.
 *
 * Only what was proven or comes from a place the configuration trusts may be put here: handlers take it as
 * the truth and record it.
 */
#ifndef MF_RPC_CALLER_H
#define MF_RPC_CALLER_H

#include "base/status.h"
#include "base/str.h"

struct mf_call;
struct mf_rpc;

struct mf_caller {
    struct mf_str subject; /* empty: anonymous; the other fields are then empty too */
    struct mf_str email, given_name, family_name;
    struct mf_str name; /* for people; may be empty though the two above are not */
    struct mf_str preferred_username, picture;
    bool application; /* a program of its own, not a person */
};

/* Never NULL. Lives as long as the call. From the handler on. */
const struct mf_caller *mf_call_caller(const struct mf_call *call);

/* A client that can set nothing but the address it calls may carry a key in the path: what comes to
 * "/task-key/<key>/<service>/<method>" is a call like any other, and this is its key. Empty without one. */
struct mf_str mf_call_task_key(const struct mf_call *call);

enum mf_identified {
    MF_IDENTIFIED, /* caller is filled; its strings live at least as long as the call (its arena will do) */
    MF_IDENTIFY_REFUSED, /* err says why, with its code */
    MF_IDENTIFY_LATER,   /* mf_call_identified will be called, exactly once, from any thread; the one who does
                            holds a reference to the call until then */
};

typedef enum mf_identified (*mf_identify)(void *ctx, struct mf_call *call, struct mf_caller *caller,
                                          struct mf_error *err);

/* Before the server starts. */
void mf_rpc_set_identify(struct mf_rpc *rpc, mf_identify identify, void *ctx);
/* Ends an MF_IDENTIFY_LATER: caller was filled meanwhile (refused NULL), or the call is refused. Until this
 * is called the arena of the call and the caller to be filled belong to the one who identifies. */
void mf_call_identified(struct mf_call *call, const struct mf_error *refused);

#endif
