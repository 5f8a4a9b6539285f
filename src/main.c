/* The program: mayfly COMMAND [flags]. The commands are in src/cli. */
#include "cli/commands.h"

int main(int argc, char **argv)
{
    return mf_cli_main(argc, argv);
}
