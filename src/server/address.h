/* The address to listen on, as text: "127.0.0.1:8090", "[::1]:8090", "localhost:0". Pure. */
#ifndef MF_SERVER_ADDRESS_H
#define MF_SERVER_ADDRESS_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mf_address {
    const char *host; /* without brackets; empty: every address of the machine */
    uint16_t port;    /* 0: any free one */
};

enum mf_code mf_address_parse(struct mf_arena *arena, const char *text, struct mf_address *out,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Only programs on this machine can reach it. */
bool mf_address_is_loopback(const struct mf_address *address);
/* "host:port" for a URL on this machine: an address for everyone becomes the loopback one; IPv6 gets its
 * brackets. */
struct mf_str mf_address_authority(struct mf_arena *arena, const struct mf_address *address, uint16_t port);

#endif
