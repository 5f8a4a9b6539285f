#include "store/libpq.h"

#include <dlfcn.h>
#include <pthread.h>

/* Pipelines came with 14. */
#define OLDEST 140000

struct mf_libpq mf_pq;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_open; /* under the lock */

static enum mf_code find_functions(void *library, struct mf_error *err)
{
#define FIND(name)                                                                                           \
    *(void **)&mf_pq.name = dlsym(library, "PQ" #name);                                                      \
    if (!mf_pq.name)                                                                                         \
        return mf_fail(err, MF_FAILED_PRECONDITION,                                                          \
                       "this libpq is too old: PQ" #name " is missing; install version 14 or newer");
    MF_LIBPQ_FUNCTIONS(FIND)
#undef FIND
    if (mf_pq.libVersion() < OLDEST)
        return mf_fail(err, MF_FAILED_PRECONDITION, "this libpq is version %d; install version 14 or newer",
                       mf_pq.libVersion() / 10000);
    return MF_OK;
}

enum mf_code mf_libpq_open(struct mf_error *err)
{
    static const char *const names[] = {"libpq.so.5", "libpq.5.dylib"};
    void *library = NULL;
    enum mf_code code = MF_OK;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !library && !is_open; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!is_open && !library)
        code = mf_fail(err, MF_FAILED_PRECONDITION,
                       "libpq.so.5 is needed to keep data in PostgreSQL; install it (Debian: libpq5)");
    else if (!is_open)
        code = find_functions(library, err);
    is_open = is_open || code == MF_OK;
    pthread_mutex_unlock(&lock);
    return code;
}
