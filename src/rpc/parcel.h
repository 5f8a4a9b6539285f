/*
 * A message of a response stream that is encoded once and sent to many streams. It fits every stream of the
 * same method that speaks the same dialect (codec and compression).
 *
 * Any thread; a parcel does not change.
 */
#ifndef MF_RPC_PARCEL_H
#define MF_RPC_PARCEL_H

#include "base/status.h"
#include "base/str.h"

#include <stdint.h>

struct mf_call;
struct mf_parcel;

/* Below this number are all dialects. */
#define MF_DIALECTS 16

uint32_t mf_call_dialect(const struct mf_call *call);
/* The message as this call would send it, with one reference. */
enum mf_code mf_call_pack(struct mf_call *call, const void *msg, struct mf_parcel **out,
                          struct mf_error *err) MF_CHECK_RESULT;
/* As mf_call_send; the call takes a reference of its own. */
void mf_call_send_parcel(struct mf_call *call, struct mf_parcel *parcel);

struct mf_parcel *mf_parcel_ref(struct mf_parcel *parcel);
void mf_parcel_unref(struct mf_parcel *parcel); /* NULL is fine */
/* What goes over the wire. */
struct mf_str mf_parcel_bytes(const struct mf_parcel *parcel);

#endif
