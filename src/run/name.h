/* Names of runs. Pure but for the generator of randomness. */
#ifndef MF_RUN_NAME_H
#define MF_RUN_NAME_H

#include "base/sys.h"

#define MF_RUN_NAME_MAX 30
#define MF_RUN_NAME_MADE 20 /* length of a name made here */

/* A label of DNS (RFC 1035) of at most MF_RUN_NAME_MAX bytes; else MF_INVALID_ARGUMENT saying what is wrong.
 */
enum mf_code mf_run_name_check(struct mf_str name, struct mf_error *err) MF_CHECK_RESULT;
/* "r" and 19 random symbols (90 bits) that form no words and are not mistaken for each other. */
void mf_run_name_make(const struct mf_sys *sys, char out[MF_RUN_NAME_MADE]);

#endif
