/*
 * CacheService, both versions: outputs by key, and reservations of those who are about to compute one. An
 * entry of version 2 belongs to a project and a domain (the organisation is ignored), one of version 1 to
 * none. Only the place of outputs is kept; output_literals are refused, since whoever reads an entry expects
 * a place. A reservation lives for some of its owner's heartbeats, to the nanosecond; expired ones are taken
 * over at once and cleared away by the way. Whoever waits for a key (the executor) is woken through the hub.
 * Handlers run on worker threads; writes go through the store's writer.
 */
#ifndef MF_CACHE_CACHE_H
#define MF_CACHE_CACHE_H

#include "rpc/server.h"
#include "store/store.h"

#define MF_CACHE_HEARTBEAT_MAX_NS INT64_C(10000000000)
#define MF_CACHE_GRACE 3 /* heartbeats that a reservation lives */

/* The store must outlive the RPC server. */
enum mf_code mf_cache_serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

#endif
