/* Services of the protocol that this server does not have on purpose, and what to use in their place. */
#ifndef MF_SERVER_ABSENT_H
#define MF_SERVER_ABSENT_H

#include "rpc/server.h"

const struct mf_rpc_advice *mf_absent_services(size_t *count);

#endif
