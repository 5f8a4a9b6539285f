/* What the kinds of fires and the reasons of gaps are called in metrics, answers and on the command line. */
#ifndef MF_SCHEDULE_WORDS_H
#define MF_SCHEDULE_WORDS_H

#include "store/fire.h"

const char *mf_fire_word(enum mf_fire_kind kind);   /* "scheduled"; "unknown" for a number that is none */
const char *mf_gap_word(enum mf_gap_reason reason); /* "overlap" */
const char *
mf_gap_text(enum mf_gap_reason reason); /* for people: "an earlier run was not over (overlap: skip)" */

#endif
