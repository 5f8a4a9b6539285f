/* Answers of the plain routes: short texts for GET and HEAD. I/O thread. */
#ifndef MF_SERVER_PAGE_H
#define MF_SERVER_PAGE_H

#include "net/http.h"

/* False, and answered with 405, when the request is neither GET nor HEAD. */
bool mf_page_is_read(struct mf_exchange *exchange);
/* Replies with the text; an exchange that is gone already swallows it. */
void mf_page_reply(struct mf_exchange *exchange, int status, const char *content_type, struct mf_str body);

#endif
