/* The module's own state. Private to hook/. */
#ifndef MF_HOOK_STATE_H
#define MF_HOOK_STATE_H

#include "base/list.h"
#include "hook/hook.h"
#include "net/loop.h"

#include <stdatomic.h>

struct mf_hooks {
    struct mf_hooks_config config;
    struct mf_rpc *rpc; /* once its route is served */
    struct mf_loop *loop;
    struct mf_subscription subscription;
    struct mf_work wake, quit;
    _Atomic bool woken;
    /* Of the loop's thread. */
    struct mf_list running;
    struct mf_timer *timer;
    bool stopping;
};

#endif
