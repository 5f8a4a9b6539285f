/* The files in which AWS's tools keep profiles: sections in brackets, lines "key = value", "#" and ";" before
 * comments. Pure. */
#ifndef MF_OBJECTS_CREDENTIALS_FILE_H
#define MF_OBJECTS_CREDENTIALS_FILE_H

#include "base/str.h"

/* The value of a key in a section; .ptr NULL when there is none. Aliases the text. Of several the last
 * counts. */
struct mf_str mf_profile_value(struct mf_str text, struct mf_str section, const char *key);
bool mf_profile_exists(struct mf_str text, struct mf_str section);

#endif
