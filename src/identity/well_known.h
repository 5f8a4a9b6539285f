/* The plain route of the authorization server's metadata: the document with the names of RFC 8414. */
#ifndef MF_IDENTITY_WELL_KNOWN_H
#define MF_IDENTITY_WELL_KNOWN_H

#include "net/http.h"

#define MF_NO_AUTHORITY "this server runs without authentication; there is no authorization server"

/* app is a struct mf_metadata_source, or NULL: 501. On the I/O thread. */
void mf_well_known_on_request(void *app, struct mf_exchange *exchange);

#endif
