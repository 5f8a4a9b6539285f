/*
 * The secrets that a task asks for, looked up at the last moment before it starts: as variables of its
 * environment and no one else's, or as files that only it and the server's user can read and that go with
 * the attempt. A secret is looked for in the run's project, then in its domain, then among the global ones.
 */
#ifndef MF_EXEC_SECRETS_H
#define MF_EXEC_SECRETS_H

#include "exec/process/command.h"

/* Below the work folder of an attempt that has secrets as files. */
#define MF_SECRETS_FOLDER "secrets"
/* Of a variable whose name the task leaves to the server. */
#define MF_SECRETS_PREFIX "_FSEC_"

struct mf_task_secret {
    struct mf_str name; /* of the variable; as a file: its path below the folder */
    struct mf_str value;
    bool file;
};

struct mf_task_secrets {
    struct mf_task_secret *items;
    uint32_t count, files;
};

/* What the task and its run ask for, without duplicates. Values are wiped when the arena goes. When the task
 * cannot run because of them, *fault is the code of the error to record and err its message, which names the
 * secret and never its value; else *fault is NULL. */
enum mf_code mf_task_secrets_find(struct mf_arena *arena, const struct mf_command_input *in,
                                  struct mf_task_secrets *out, const char **fault,
                                  struct mf_error *err) MF_CHECK_RESULT;
/* Writes those that are files. */
enum mf_code mf_task_secrets_write(struct mf_arena *arena, const struct mf_command_input *in,
                                   const struct mf_task_secrets *secrets,
                                   struct mf_error *err) MF_CHECK_RESULT;
/* Takes the files away, when the attempt is over. */
void mf_task_secrets_remove(const char *work_dir);

#endif
