/*
 * PostgreSQL's client library, opened when the first connection is asked for: who does not use a server needs
 * neither the library nor its memory. Only its headers are built against. It stays open until the end of the
 * process.
 */
#ifndef MF_STORE_LIBPQ_H
#define MF_STORE_LIBPQ_H

#include "base/status.h"

#include <libpq-fe.h>

#define MF_LIBPQ_FUNCTIONS(X)                                                                                \
    X(libVersion)                                                                                            \
    X(connectdbParams)                                                                                       \
    X(pingParams)                                                                                            \
    X(status)                                                                                                \
    X(serverVersion)                                                                                         \
    X(errorMessage)                                                                                          \
    X(finish)                                                                                                \
    X(socket)                                                                                                \
    X(setnonblocking)                                                                                        \
    X(setNoticeReceiver)                                                                                     \
    X(enterPipelineMode)                                                                                     \
    X(exitPipelineMode)                                                                                      \
    X(pipelineSync)                                                                                          \
    X(exec)                                                                                                  \
    X(sendPrepare)                                                                                           \
    X(sendQueryParams)                                                                                       \
    X(sendQueryPrepared)                                                                                     \
    X(flush)                                                                                                 \
    X(consumeInput)                                                                                          \
    X(isBusy)                                                                                                \
    X(getResult)                                                                                             \
    X(notifies)                                                                                              \
    X(freemem)                                                                                               \
    X(resultStatus)                                                                                          \
    X(resultErrorField)                                                                                      \
    X(clear)                                                                                                 \
    X(ntuples)                                                                                               \
    X(nfields)                                                                                               \
    X(ftype)                                                                                                 \
    X(getvalue)                                                                                              \
    X(getlength)                                                                                             \
    X(getisnull)                                                                                             \
    X(cmdStatus)                                                                                             \
    X(cmdTuples)

struct mf_libpq {
#define MF_LIBPQ_POINTER(name) __typeof__(PQ##name) *name;
    MF_LIBPQ_FUNCTIONS(MF_LIBPQ_POINTER)
#undef MF_LIBPQ_POINTER
};

/* Filled in by mf_libpq_open. */
extern struct mf_libpq mf_pq;

/* Any thread. MF_FAILED_PRECONDITION, with what to install. */
enum mf_code mf_libpq_open(struct mf_error *err) MF_CHECK_RESULT;

#endif
