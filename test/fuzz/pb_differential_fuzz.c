/*
 * Our codec against libprotobuf, on sample.Everything: both must accept the same bytes, and read the same
 * from them. libprotobuf drops unknown fields inside entries of maps, which we keep; so what we wrote is
 * compared after libprotobuf has read it too.
 */
#include "fuzz.h"
#include "gen/sample.pb.h"
#include "reference.h"
#include "rpc/pb.h"

#define ARENA_MAX ((size_t)256 << 20)
#define SIZE_MAX_COMPARED ((size_t)1 << 20)

/* A tag of more than 32 bits is wrong by the conformance suite, which is newer than the libprotobuf of the
 * system. */
static bool newer_rule(const struct mf_error *err)
{
    return strstr(err->message, "tag is cut off or too large") != NULL;
}

static struct mf_str recode(struct mf_arena *arena, struct mf_str bytes)
{
    void *msg;
    struct mf_str out;
    FUZZ_CHECK(pb_decode(arena, &pb_sample_Everything_type, bytes, &msg, NULL) == MF_OK);
    FUZZ_CHECK(pb_encode_stable(arena, &pb_sample_Everything_type, msg, &out, NULL) == MF_OK);
    return out;
}

static void compare(struct mf_arena *arena, struct mf_str bytes)
{
    void *msg, *theirs = NULL, *theirs_of_ours = NULL;
    size_t size = 0, size_of_ours = 0;
    struct mf_error err;
    enum mf_code code = pb_decode(arena, &pb_sample_Everything_type, bytes, &msg, &err);
    bool accepted = reference_recode(bytes.ptr, bytes.len, &theirs, &size);
    if (code == MF_RESOURCE_EXHAUSTED || (code != MF_OK && accepted && newer_rule(&err))) {
        free(theirs);
        return;
    }
    if (accepted != (code == MF_OK))
        fprintf(stderr, "libprotobuf %s it; we: %s\n", accepted ? "accepts" : "refuses",
                code == MF_OK ? "accept" : err.message);
    FUZZ_CHECK(accepted == (code == MF_OK));
    if (!accepted)
        return;
    struct mf_str ours = recode(arena, bytes);
    FUZZ_CHECK(reference_recode(ours.ptr, ours.len, &theirs_of_ours, &size_of_ours));
    FUZZ_CHECK(mf_str_eq(mf_str_make(theirs, size), mf_str_make(theirs_of_ours, size_of_ours)));
    FUZZ_CHECK(mf_str_eq(recode(arena, mf_str_make(theirs, size)), mf_str_make(theirs, size)));
    free(theirs);
    free(theirs_of_ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SIZE_MAX_COMPARED)
        return 0;
    struct mf_arena *arena = mf_arena_new(ARENA_MAX);
    FUZZ_CHECK(arena != NULL);
    compare(arena, mf_str_make(data, size));
    mf_arena_free(arena);
    return 0;
}
