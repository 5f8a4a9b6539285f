/* What the commands do; the table is in cli.c. Each returns an enum mf_exit. */
#ifndef MF_CLI_COMMANDS_H
#define MF_CLI_COMMANDS_H

#include "cli/command.h"

int mf_cli_serve(const struct mf_cli_args *args);
int mf_cli_config_show(const struct mf_cli_args *args);
int mf_cli_config_docs(const struct mf_cli_args *args);
int mf_cli_secret_rotate_key(const struct mf_cli_args *args);
int mf_cli_trigger_next(const struct mf_cli_args *args);
int mf_cli_trigger_audit(const struct mf_cli_args *args);
int mf_cli_trigger_backfill(const struct mf_cli_args *args);

/* The command line of main, without a name for what a shell would be asked to do. */
int mf_cli_main(int argc, char **argv);

#endif
