"""The Protocol Buffers wire format, as far as reading descriptors needs it."""
import struct


def varint(data, at):
    """Returns the value of the varint at an offset and the offset after it."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise ValueError("a varint of more than ten bytes")


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def fields(data):
    """Yields (number, wire type, value); a value is an int for types 0, 1 and 5 and bytes for type 2."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif kind == 2:
            size, at = varint(data, at)
            value, at = bytes(data[at:at + size]), at + size
        elif kind == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        else:
            raise ValueError(f"wire type {kind} in a descriptor")
        yield tag >> 3, kind, value


def write_varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Raw:
    """A message by field number, for readers that know the numbers."""

    def __init__(self, data):
        self.data = bytes(data)
        self.values = {}
        for number, _, value in fields(data):
            self.values.setdefault(number, []).append(value)

    def int(self, number, default=0):
        return signed(self.values[number][-1]) if number in self.values else default

    def text(self, number):
        return self.values[number][-1].decode() if number in self.values else ""

    def bytes(self, number):
        return b"".join(self.values.get(number, []))  # concatenating messages merges them

    def texts(self, number):
        return [value.decode() for value in self.values.get(number, [])]

    def messages(self, number):
        return [Raw(value) for value in self.values.get(number, [])]
