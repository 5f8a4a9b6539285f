#include "server/address.h"

#include <arpa/inet.h>

enum mf_code mf_address_parse(struct mf_arena *arena, const char *text, struct mf_address *out,
                              struct mf_error *err)
{
    struct mf_str all = mf_str_from_c(text);
    struct mf_str host = all;
    uint64_t port = 0;
    size_t colon = all.len;
    while (colon > 0 && all.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0 || !mf_str_to_u64(mf_str_skip(all, colon), &port) || port > UINT16_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "listen: \"%.200s\" is not valid; write host:port, as in 127.0.0.1:8090", text);
    host = mf_str_take(all, colon - 1);
    bool bracketed = mf_str_starts(host, MF_STR("[")) && mf_str_ends(host, MF_STR("]"));
    if (bracketed)
        host = mf_str_take(mf_str_skip(host, 1), host.len - 2);
    else if (mf_str_find_char(host, ':') != SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "listen: \"%.200s\" is not valid; write an IPv6 address in brackets, as in [::1]:8090",
                       text);
    out->host = mf_str_to_c(arena, host);
    out->port = (uint16_t)port;
    return out->host ? MF_OK : mf_fail_memory(err);
}

bool mf_address_is_loopback(const struct mf_address *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (mf_str_eq_nocase(mf_str_from_c(address->host), MF_STR("localhost")))
        return true;
    if (inet_pton(AF_INET, address->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

struct mf_str mf_address_authority(struct mf_arena *arena, const struct mf_address *address, uint16_t port)
{
    struct mf_str host = mf_str_from_c(address->host);
    if (host.len == 0 || mf_str_eq_c(host, "0.0.0.0"))
        host = MF_STR("127.0.0.1");
    else if (mf_str_eq_c(host, "::"))
        host = MF_STR("::1");
    bool v6 = mf_str_find_char(host, ':') != SIZE_MAX;
    return mf_str_printf(arena, "%s%.*s%s:%u", v6 ? "[" : "", MF_FMT(host), v6 ? "]" : "", (unsigned)port);
}
