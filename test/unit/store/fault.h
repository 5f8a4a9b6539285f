/*
 * A disk that fails when it is told to. It stands before the real one for every database opened after
 * fault_install, in the whole test program.
 */
#ifndef MF_TEST_FAULT_H
#define MF_TEST_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

struct fault {
    atomic_int_fast64_t log_limit; /* the log's file cannot grow beyond it; 0: no limit */
    atomic_int log_sync_failures;  /* so many syncs of the log fail from now on */
    atomic_int database_sync_failures;
    atomic_int log_syncs; /* that succeeded */
    atomic_int log_writes;
};

extern struct fault fault;

void fault_install(void);
void fault_reset(void);
/* Of the allocations that SQLite makes on this thread, the one after the next n fails; negative: none. To be
 * called after fault_install_memory, which has to come before any use of SQLite. */
void fault_install_memory(void);
void fault_memory_after(int64_t n);
/* Whether it was reached. */
int fault_memory_hit(void);

#endif
