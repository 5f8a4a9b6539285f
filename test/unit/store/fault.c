#include "fault.h"

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

struct fault fault;

/* The methods of the real files of one kind, and ours, which differ in two of them. */
struct kind {
    const sqlite3_io_methods *real;
    sqlite3_io_methods ours;
};

static struct kind log_files;
static struct kind database_files;
static sqlite3_vfs *real_vfs;
static sqlite3_vfs our_vfs;

static int write_log(sqlite3_file *file, const void *bytes, int amount, sqlite3_int64 offset)
{
    int64_t limit = atomic_load(&fault.log_limit);
    if (limit > 0 && offset + amount > limit)
        return SQLITE_FULL;
    atomic_fetch_add(&fault.log_writes, 1);
    return log_files.real->xWrite(file, bytes, amount, offset);
}

/* Counts down, not below zero. */
static int spend(atomic_int *left)
{
    int now = atomic_load(left);
    while (now > 0 && !atomic_compare_exchange_weak(left, &now, now - 1))
        ;
    return now > 0;
}

static int sync_log(sqlite3_file *file, int flags)
{
    if (spend(&fault.log_sync_failures))
        return SQLITE_IOERR_FSYNC;
    atomic_fetch_add(&fault.log_syncs, 1);
    return log_files.real->xSync(file, flags);
}

static int sync_database(sqlite3_file *file, int flags)
{
    return spend(&fault.database_sync_failures) ? SQLITE_IOERR_FSYNC
                                                : database_files.real->xSync(file, flags);
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    int rc = real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
    struct kind *kind = NULL;
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL))
        kind = &log_files;
    else if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB))
        kind = &database_files;
    if (!kind)
        return rc;
    if (!kind->real) {
        sqlite3_io_methods ours = *file->pMethods;
        if (kind == &log_files)
            ours.xWrite = write_log;
        ours.xSync = kind == &log_files ? sync_log : sync_database;
        memcpy(&kind->ours, &ours, sizeof ours);
        kind->real = file->pMethods;
    }
    file->pMethods = &kind->ours;
    return rc;
}

void fault_install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    our_vfs = *real_vfs;
    our_vfs.zName = "fault";
    our_vfs.xOpen = open_file;
    sqlite3_vfs_register(&our_vfs, 1);
}

void fault_reset(void)
{
    atomic_store(&fault.log_limit, 0);
    atomic_store(&fault.log_sync_failures, 0);
    atomic_store(&fault.database_sync_failures, 0);
    atomic_store(&fault.log_syncs, 0);
    atomic_store(&fault.log_writes, 0);
}

static sqlite3_mem_methods real_memory;
static _Thread_local int64_t memory_left = -1;
static _Thread_local int memory_hit;

static int out_of_memory(void)
{
    if (memory_left < 0 || memory_left-- > 0)
        return 0;
    memory_hit = 1;
    return 1;
}

static void *allocate(int size)
{
    return out_of_memory() ? NULL : real_memory.xMalloc(size);
}

static void *reallocate(void *old, int size)
{
    return out_of_memory() ? NULL : real_memory.xRealloc(old, size);
}

void fault_install_memory(void)
{
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    sqlite3_mem_methods ours = real_memory;
    ours.xMalloc = allocate;
    ours.xRealloc = reallocate;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
}

void fault_memory_after(int64_t n)
{
    memory_left = n;
    memory_hit = 0;
}

int fault_memory_hit(void)
{
    return memory_hit;
}
