/*
 * Server reflection, grpc.reflection.v1 and v1alpha: what services there are and the descriptors of their
 * files.
 *
 * The two versions have the same messages on the wire; one implementation serves both. Descriptors are
 * searched for each request, which takes about a millisecond and spares an index in memory.
 */
#ifndef MF_RPC_REFLECTION_H
#define MF_RPC_REFLECTION_H

#include "rpc/server.h"

enum mf_code mf_reflection_register(struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

#endif
