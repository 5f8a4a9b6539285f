/*
 * The parent of one task's process ("mayfly _shim", started by the executor, not by people). It outlives the
 * server: it reads from the socket at MF_LAUNCH_FD what to run (when the server dies before all of that has
 * come, nothing is run), runs it in a session of its own, keeps its log, and when it has ended kills what it
 * left behind and writes down how it ended. On SIGTERM it ends the task: SIGTERM to all of its processes,
 * SIGKILL after the grace period.
 */
#ifndef MF_EXEC_SHIM_H
#define MF_EXEC_SHIM_H

int mf_shim_main(int argc, char **argv);

#endif
