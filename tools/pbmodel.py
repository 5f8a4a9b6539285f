"""What the descriptors of .proto files say, as objects that carry the C names of everything."""
from dataclasses import dataclass, field as attribute

from wire import Raw

DROPPED_PACKAGE = "flyteidl2."
# Messages of these files describe options of descriptors. They are left out unless a field of another file holds one.
OPTION_FILES = ("buf/", "google/api/", "protoc-gen-openapiv2/")

KEYWORDS = frozenset("""
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while asm typeof
    bool true false NULL errno stdin stdout stderr linux unix assert
""".split())

# FieldDescriptorProto.Type -> (kind, C type, alignment in the struct)
TYPES = {
    1: ("PB_DOUBLE", "double", 8), 2: ("PB_FLOAT", "float", 4), 3: ("PB_INT64", "int64_t", 8), 4: ("PB_UINT64", "uint64_t", 8),
    5: ("PB_INT32", "int32_t", 4), 6: ("PB_FIXED64", "uint64_t", 8), 7: ("PB_FIXED32", "uint32_t", 4),
    8: ("PB_BOOL", "bool", 1), 9: ("PB_STRING", "struct mf_str", 8), 11: ("PB_MESSAGE", None, 8),
    12: ("PB_BYTES", "struct mf_str", 8), 13: ("PB_UINT32", "uint32_t", 4), 14: ("PB_ENUM", "int32_t", 4),
    15: ("PB_FIXED32_SIGNED", "int32_t", 4), 16: ("PB_FIXED64_SIGNED", "int64_t", 8), 17: ("PB_SINT32", "int32_t", 4),
    18: ("PB_SINT64", "int64_t", 8),
}
GROUP = 10
REPEATED = 3

SPECIAL = {f"google.protobuf.{name}": special for name, special in {
    "Timestamp": "PB_TIMESTAMP", "Duration": "PB_DURATION", "FieldMask": "PB_FIELD_MASK", "Any": "PB_ANY",
    "Struct": "PB_STRUCT", "Value": "PB_VALUE", "ListValue": "PB_LIST_VALUE",
    **{f"{kind}Value": "PB_WRAPPER" for kind in
       ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")},
}.items()}


def c_name(full):
    return "pb_" + full.removeprefix(DROPPED_PACKAGE).replace(".", "_")


def lower_camel(name):
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


@dataclass
class Enum:
    full: str
    scope: str
    values: list  # of (name, number)

    @property
    def c(self):
        return c_name(self.full)

    def value_c(self, name):
        return c_name(f"{self.scope}.{name}" if self.scope else name)


@dataclass
class Field:
    raw: Raw
    message: "Message"
    proto3: bool
    target: object = None  # Message or Enum
    rules: list = attribute(default_factory=list)

    def __post_init__(self):
        raw = self.raw
        self.name = raw.text(1)
        self.number = raw.int(3)
        self.type = raw.int(5)
        self.type_name = raw.text(6).removeprefix(".")
        self.json_name = raw.text(10) or lower_camel(self.name)
        self.c = self.name + "_" if self.name in KEYWORDS else self.name
        self.repeated = raw.int(4) == REPEATED
        if self.type == GROUP:
            raise SystemExit(f"{self.message.full}.{self.name}: groups are not supported")
        self.kind, self.c_type, self.align = TYPES[self.type]
        self.oneof = None
        if 9 in raw.values and not raw.int(17):
            self.oneof = raw.int(9)
        packed = Raw(raw.bytes(8)).values.get(2)
        scalar = self.kind not in ("PB_STRING", "PB_BYTES", "PB_MESSAGE")
        self.packed = self.repeated and scalar and (bool(packed[-1]) if packed else self.proto3)

    def link(self, types):
        if self.type_name:
            self.target = types[self.type_name]
        if self.kind == "PB_MESSAGE":
            self.c_type = f"struct {self.target.c} *"
        if self.kind == "PB_MESSAGE" and self.repeated and self.target.is_entry:
            self.shape = "PB_MAP"
        elif self.repeated:
            self.shape = "PB_REPEATED"
        elif self.oneof is not None:
            self.shape = "PB_ONEOF"
        elif self.kind != "PB_MESSAGE" and (self.raw.int(17) or not self.proto3):
            self.shape = "PB_OPTIONAL"
        else:
            self.shape = "PB_IMPLICIT"

    def declare(self, name):
        """The C declaration of one value."""
        return self.c_type + name if self.c_type.endswith("*") else f"{self.c_type} {name}"


@dataclass
class Oneof:
    raw: Raw
    name: str
    required: bool = False

    @property
    def c(self):
        return self.name + "_" if self.name in KEYWORDS else self.name


@dataclass
class Message:
    raw: Raw
    file: "File"
    full: str
    rules: list = attribute(default_factory=list)
    validated: bool = False

    def __post_init__(self):
        raw = self.raw
        self.is_entry = bool(Raw(raw.bytes(7)).int(7))
        self.fields = sorted((Field(f, self, self.file.proto3) for f in raw.messages(2)), key=lambda f: f.number)
        # A oneof that stands only for "optional" has no field that says it belongs to it; those come last.
        real = {f.oneof for f in self.fields} - {None}
        self.oneofs = [Oneof(o, o.text(1)) for i, o in enumerate(raw.messages(8)) if i in real]

    @property
    def c(self):
        return c_name(self.full)

    def dense(self):
        count = 0
        while count < len(self.fields) and self.fields[count].number == count + 1:
            count += 1
        return count


class File:
    def __init__(self, data):
        raw = Raw(data)
        self.data = bytes(data)
        self.name = raw.text(1)
        self.package = raw.text(2)
        self.dependencies = raw.texts(3)
        self.proto3 = raw.text(12) == "proto3"
        self.services = raw.messages(6)
        self.messages = []
        self.enums = []
        if raw.text(12) not in ("", "proto2", "proto3"):
            raise SystemExit(f"{self.name}: syntax {raw.text(12)} is not supported")
        self._collect(raw, self.package, 4, 5)

    def _collect(self, raw, scope, messages, enums):
        for enum in raw.messages(enums):
            values = [(value.text(1), value.int(2)) for value in enum.messages(2)]
            self.enums.append(Enum(f"{scope}.{enum.text(1)}".lstrip("."), scope, values))
        for message in raw.messages(messages):
            full = f"{scope}.{message.text(1)}".lstrip(".")
            self.messages.append(Message(message, self, full))
            self._collect(message, full, 3, 4)

    @property
    def stem(self):
        return self.name.removesuffix(".proto")

    @property
    def used(self):
        return bool(self.messages or self.enums or self.services)


class Schema:
    """All files of a descriptor set; messages and enums that nothing can reach are taken out."""

    def __init__(self, files):
        self.files = [File(data) for data in files.values()]
        types = {t.full: t for file in self.files for t in file.messages + file.enums}
        for file in self.files:
            for message in file.messages:
                for field in message.fields:
                    field.link(types)
        self.types = types
        self._prune()
        self.by_name = {file.name: file for file in self.files}
        self._check_names()

    def _prune(self):
        reached = set()
        todo = [t for file in self.files if not file.name.startswith(OPTION_FILES) for t in file.messages + file.enums]
        while todo:
            top = todo.pop()
            if top.full in reached:
                continue
            reached.add(top.full)
            if isinstance(top, Message):
                todo += [field.target for field in top.fields if field.target]
        for file in self.files:
            file.messages = [m for m in file.messages if m.full in reached]
            file.enums = [e for e in file.enums if e.full in reached]

    def messages(self):
        return [m for file in self.files for m in file.messages]

    def file_of(self, full):
        target = self.types[full]
        return next(f for f in self.files if target in f.messages or target in f.enums)

    def _check_names(self):
        """C has one name space for what .proto files keep apart: refuse a clash here, where the reason can be told."""
        owners = {}

        def claim(name, owner):
            if owners.setdefault(name, owner) != owner:
                raise SystemExit(f"{owner} and {owners[name]} would both be {name} in C")

        for file in self.files:
            for enum in file.enums:
                claim(enum.c + "_enum", enum.full)
                for name, _ in enum.values:
                    claim(enum.value_c(name), f"{enum.full}.{name}")
            for message in file.messages:
                claim(message.c + "_type", message.full)
                for field in message.fields:
                    claim(f"{message.c}_tag_{field.name}", f"{message.full}.{field.name}")
            for service in file.services:
                full = f"{file.package}.{service.text(1)}"
                claim(c_name(full) + "_service", full)
                for method in service.messages(2):
                    claim(f"{c_name(full)}_{method.text(1)}", f"{full}/{method.text(1)}")
        structs = {}
        for message in self.messages():
            if structs.setdefault(message.c, message.full) != message.full:
                raise SystemExit(f"{message.full} and {structs[message.c]} would both be struct {message.c} in C")
