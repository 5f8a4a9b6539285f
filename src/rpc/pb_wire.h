/* The wire format of Protocol Buffers, shared by the decoder and the encoder. For rpc/pb_*.c only. */
#ifndef MF_RPC_PB_WIRE_H
#define MF_RPC_PB_WIRE_H

#include "rpc/pb_table.h"

enum pb_wire {
    PB_WIRE_VARINT = 0,
    PB_WIRE_64 = 1,
    PB_WIRE_BYTES = 2,
    PB_WIRE_GROUP = 3,
    PB_WIRE_GROUP_END = 4,
    PB_WIRE_32 = 5,
};

/* Messages beyond this are refused by every implementation. */
#define PB_MESSAGE_MAX ((size_t)INT32_MAX)

/* How one value of the kind is written. */
static inline enum pb_wire pb_kind_wire(enum pb_kind kind)
{
    static const uint8_t wires[] = {
        [PB_BOOL] = PB_WIRE_VARINT,       [PB_INT32] = PB_WIRE_VARINT,  [PB_SINT32] = PB_WIRE_VARINT,
        [PB_FIXED32_SIGNED] = PB_WIRE_32, [PB_ENUM] = PB_WIRE_VARINT,   [PB_UINT32] = PB_WIRE_VARINT,
        [PB_FIXED32] = PB_WIRE_32,        [PB_INT64] = PB_WIRE_VARINT,  [PB_SINT64] = PB_WIRE_VARINT,
        [PB_FIXED64_SIGNED] = PB_WIRE_64, [PB_UINT64] = PB_WIRE_VARINT, [PB_FIXED64] = PB_WIRE_64,
        [PB_FLOAT] = PB_WIRE_32,          [PB_DOUBLE] = PB_WIRE_64,     [PB_STRING] = PB_WIRE_BYTES,
        [PB_BYTES] = PB_WIRE_BYTES,       [PB_MESSAGE] = PB_WIRE_BYTES,
    };
    return (enum pb_wire)wires[kind];
}

/* pb_field_by_number with the common case in line. */
static inline const struct pb_field *pb_field_of(const struct pb_type *type, uint32_t number)
{
    return number - 1 < type->dense ? &type->fields[number - 1] : pb_field_by_number(type, number);
}

/* Spares most strings the full check of their UTF-8. */
static inline bool pb_is_ascii(struct mf_str s)
{
    uint64_t word, high = 0;
    size_t i = 0;
    for (; s.len - i >= 8; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        high |= word;
    }
    for (; i < s.len; i++)
        high |= (uint8_t)s.ptr[i];
    return (high & 0x8080808080808080) == 0;
}

/* Order of the keys of two entries of a map: less than, equal to, or greater than zero. */
int pb_map_compare(const struct pb_type *entry, const void *a, const void *b);
/* The entries' indexes by rising key, equal keys in their old order. order has room for 2 * count; the second
 * half is scratch. */
void pb_map_order(const struct pb_type *entry, void *const *items, uint32_t count, uint32_t *order);
/* Of entries with equal keys only the last stays. False when memory ran out. */
bool pb_map_unique(const struct pb_type *entry, struct pb_list *list);

#endif
