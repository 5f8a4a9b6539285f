#include "server/page.h"

static void send(struct mf_exchange *exchange, int status, const struct mf_header *headers, size_t count,
                 struct mf_str body)
{
    if (mf_exchange_reply(exchange, status, headers, count, body) != MF_OK)
        mf_exchange_reset(exchange);
}

bool mf_page_is_read(struct mf_exchange *exchange)
{
    struct mf_str method = mf_exchange_request(exchange)->method;
    if (mf_str_eq_c(method, "GET") || mf_str_eq_c(method, "HEAD"))
        return true;
    const struct mf_header headers[] = {{MF_STR("allow"), MF_STR("GET, HEAD")}};
    send(exchange, 405, headers, 1, MF_STR("use GET\n"));
    return false;
}

void mf_page_reply(struct mf_exchange *exchange, int status, const char *content_type, struct mf_str body)
{
    const struct mf_header headers[] = {
        {MF_STR("content-type"), mf_str_from_c(content_type)},
        {MF_STR("cache-control"), MF_STR("no-store")},
    };
    send(exchange, status, headers, 2, body);
}
