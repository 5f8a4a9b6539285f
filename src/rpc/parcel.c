#include "rpc/parcel.h"

#include "rpc/call_state.h"

#include <stdlib.h>

struct mf_parcel {
    _Atomic uint32_t refs;
    size_t len;
    char bytes[]; /* the envelope's head, then the message */
};

uint32_t mf_call_dialect(const struct mf_call *call)
{
    return (uint32_t)call->media->codec * (MF_DIALECTS / 2) + (uint32_t)call->out_compression;
}

enum mf_code mf_call_pack(struct mf_call *call, const void *msg, struct mf_parcel **out, struct mf_error *err)
{
    struct mf_str bytes;
    bool compressed = false;
    struct mf_parcel *parcel = NULL;
    struct mf_arena *arena = mf_rpc_scratch_take(call->rpc);
    enum mf_code code =
        arena ? mf_call_encode(call, arena, msg, &bytes, &compressed, err) : mf_fail_memory(err);
    if (code == MF_OK)
        parcel = malloc(sizeof *parcel + MF_ENVELOPE_HEADER + bytes.len);
    if (code == MF_OK && !parcel)
        code = mf_fail_memory(err);
    if (code == MF_OK) {
        atomic_init(&parcel->refs, 1);
        parcel->len = MF_ENVELOPE_HEADER + bytes.len;
        mf_envelope_header(parcel->bytes, compressed ? MF_ENVELOPE_COMPRESSED : 0, bytes.len);
        if (bytes.len > 0)
            memcpy(parcel->bytes + MF_ENVELOPE_HEADER, bytes.ptr, bytes.len);
    }
    if (arena)
        mf_rpc_scratch_give(call->rpc, arena);
    *out = parcel;
    return code;
}

struct mf_parcel *mf_parcel_ref(struct mf_parcel *parcel)
{
    atomic_fetch_add_explicit(&parcel->refs, 1, memory_order_relaxed);
    return parcel;
}

void mf_parcel_unref(struct mf_parcel *parcel)
{
    if (parcel && atomic_fetch_sub_explicit(&parcel->refs, 1, memory_order_acq_rel) == 1)
        free(parcel);
}

struct mf_str mf_parcel_bytes(const struct mf_parcel *parcel)
{
    return mf_str_make(parcel->bytes, parcel->len);
}
