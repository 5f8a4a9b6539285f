#!/usr/bin/env python3
"""Writes C structs and tables (src/rpc/pb.h, src/rpc/pb_table.h) for the messages of a descriptor set.

    pbgen.py [--idl DIR [--proto DIR]] [--set FILE.binpb] --out DIR     write everything into DIR
    pbgen.py [--idl DIR [--proto DIR]] [--set FILE.binpb] --list        print the names of the files that end up directly in DIR

--idl takes the unpacked wheels of deps/fetch.sh, --proto a folder of .proto files that may import them, --set a FileDescriptorSet as "protoc --include_imports -o" writes it. With
both, files that both have are taken from --idl: a program that links the product's library beside its own messages must
agree with it about every message they share.

In DIR: gen/<path>.pb.h for every .proto that has something to say, <path with "_" for "/">.pb.c beside it, pb_types.c (all
types), pb_files.c (the descriptors themselves), and pb_stamp.h, which every generated header includes: build systems that
cannot name files in subdirectories as outputs depend on that one.

Rules of buf.validate come from tools/rules.py:

    field_rules(field: bytes, context) -> list[str]     initializers "{...}" of struct pb_rule; field is a FieldDescriptorProto
    message_rules(message: bytes, context) -> list[str] the same for a DescriptorProto
    oneof_required(oneof: bytes, context) -> bool       for a OneofDescriptorProto
    finish() -> None                                    after all others; only with --idl

context is a Context, below. An exception that these raise fails the build; let SystemExit say what is not supported and where.
"""
import argparse
import hashlib
from pathlib import Path

import descriptor_set
import rules
from pbmodel import SPECIAL, Message, Schema, c_name
from wire import Raw

NO_SIDE_EFFECTS = 1
MAX_ONEOFS = 255


class Context:
    """Where a rule is, and how it adds constants of its own.

    where    "flyteidl2.common.Filter.values": for messages to people
    message  pbmodel.Message; message.full, message.c
    field    pbmodel.Field or None; field.kind ("PB_STRING"), field.shape ("PB_MAP"), field.target (a pbmodel.Message or Enum),
             target.fields[0] and [1] are key and value of a map
    """

    def __init__(self, lines, message, field=None):
        self._lines = lines
        self.message = message
        self.field = field
        self.where = f"{message.full}.{field.name}" if field else message.full

    def symbol(self, suffix):
        """A C identifier that no other rule has, for use with static()."""
        name = self.field.name + "_" if self.field else ""
        return f"{self.message.c}_{name}rule{len(self._lines)}_{suffix}"

    def static(self, text):
        """Puts C text (whole definitions, static const) before the tables that use it."""
        self._lines.append(text)


def c_string(text):
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\?':
            out.append("\\" + char)
        elif 0x20 <= byte < 0x7F:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def flat(stem, suffix):
    return stem.replace("/", "_").replace("-", "_") + suffix


def guard(stem):
    return "GEN_" + "".join(c.upper() if c.isalnum() else "_" for c in stem) + "_PB_H"


def member_groups(message):
    """(alignment, declaration) of every member but the head, in the order of the fields."""
    members = []
    for field in message.fields:
        if field.repeated:
            members.append((8, f"struct {{ {field.declare('*items')}; uint32_t count; uint32_t cap; }} {field.c};"))
        elif field.shape != "PB_ONEOF":
            members.append((field.align, f"{field.declare(field.c)};"))
        if field.shape == "PB_OPTIONAL":
            members.append((1, f"bool has_{field.name};"))
    for index, oneof in enumerate(message.oneofs):
        inside = [f for f in message.fields if f.oneof == index]
        body = "".join(f"        {f.declare(f.c)};\n" for f in inside)
        members.append((max(f.align for f in inside), f"union {{\n{body}    }} {oneof.c};"))
        members.append((4, f"int32_t {oneof.name}_case;"))
    return members


def check_members(message):
    seen = {"head_"}
    for field in message.fields:
        names = [] if field.shape == "PB_ONEOF" else [field.c]
        if field.shape == "PB_OPTIONAL":
            names.append("has_" + field.name)
        for name in names:
            if name in seen:
                raise SystemExit(f"{message.full} would have two members {name} in C")
            seen.add(name)
    for oneof in message.oneofs:
        for name in (oneof.c, oneof.name + "_case"):
            if name in seen:
                raise SystemExit(f"{message.full} would have two members {name} in C")
            seen.add(name)


def write_struct(message):
    check_members(message)
    # Widest first, so that no padding lies between members.
    members = sorted(member_groups(message), key=lambda member: -member[0])
    lines = [f"struct {message.c} {{", "    struct pb_head head_;"]
    lines += ["    " + text for _, text in members]
    lines += ["};", f"extern const struct pb_type {message.c}_type;"]
    if message.fields:
        lines.append("enum {")
        lines += [f"    {message.c}_tag_{field.name} = {field.number}," for field in message.fields]
        lines.append("};")
    return lines + [""]


def int32(number):
    return "INT32_MIN" if number == -(1 << 31) else str(number)


def write_header(schema, file):
    includes = {name for name in file.dependencies if schema.by_name[name].used}
    for message in file.messages:
        includes |= {schema.file_of(f.target.full).name for f in message.fields if f.target}
    includes.discard(file.name)
    up = "../" * (file.stem.count("/") + 1)
    lines = [f"/* Made from {file.name} by tools/pbgen.py. */", f"#ifndef {guard(file.stem)}", f"#define {guard(file.stem)}", ""]
    lines += [f'#include "{up}pb_stamp.h"']
    lines += [f'#include "gen/{name.removesuffix(".proto")}.pb.h"' for name in sorted(includes)]
    lines += ['#include "rpc/pb.h"', ""]
    if file.enums:
        lines += ["struct pb_enum;", ""]
    lines += [f"struct {message.c};" for message in file.messages] + [""]
    for enum in file.enums:
        lines.append(f"enum {enum.c} {{")
        lines += [f"    {enum.value_c(name)} = {int32(number)}," for name, number in enum.values]
        lines += ["};", f"extern const struct pb_enum {enum.c}_enum;", ""]
    for message in file.messages:
        lines += write_struct(message)
    for service in file.services:
        name = c_name(f"{file.package}.{service.text(1)}")
        lines.append("enum {")
        lines += [f"    {name}_{method.text(1)}," for method in service.messages(2)]
        lines += ["};", f"extern const struct pb_service {name}_service;", ""]
    return lines + ["#endif"]


def offset(message, member):
    return f"offsetof(struct {message.c}, {member})"


def write_field(field):
    message = field.message
    parts = [f".name = {c_string(field.name)}", f".json_name = {c_string(field.json_name)}", f".number = {field.number}",
             f".kind = {field.kind}", f".shape = {field.shape}"]
    if field.packed:
        parts.append(".packed = true")
    if field.shape == "PB_ONEOF":
        oneof = message.oneofs[field.oneof]
        parts += [f".oneof = {field.oneof}", f".offset = {offset(message, f'{oneof.c}.{field.c}')}",
                  f".has_offset = {offset(message, f'{oneof.name}_case')}"]
    else:
        parts.append(f".offset = {offset(message, field.c)}")
    if field.shape == "PB_OPTIONAL":
        parts.append(f".has_offset = {offset(message, f'has_{field.name}')}")
    if isinstance(field.target, Message):
        parts.append(f".type = &{field.target.c}_type")
    elif field.target:
        parts.append(f".enumeration = &{field.target.c}_enum")
    if field.rules:
        parts.append(f".rules = {message.c}_{field.name}_rules, .rule_count = {len(field.rules)}")
    return "    {" + ", ".join(parts) + "},"


def write_rules(message):
    lines = []
    for field in message.fields:
        if field.rules:
            lines += [f"static const struct pb_rule {message.c}_{field.name}_rules[] = {{",
                      *(f"    {rule}," for rule in field.rules), "};"]
    if message.rules:
        lines += [f"static const struct pb_rule {message.c}_rules[] = {{", *(f"    {rule}," for rule in message.rules), "};"]
    return lines


def write_message(message):
    lines = write_rules(message)
    if message.fields:
        lines += [f"static const struct pb_field {message.c}_fields[] = {{", *map(write_field, message.fields), "};"]
    if len(message.oneofs) > MAX_ONEOFS:
        raise SystemExit(f"{message.full} has more than {MAX_ONEOFS} oneofs")
    if message.oneofs:
        lines.append(f"static const struct pb_oneof {message.c}_oneofs[] = {{")
        lines += [f"    {{.name = {c_string(oneof.name)}, .case_offset = {offset(message, f'{oneof.name}_case')}, "
                  f".required = {'true' if oneof.required else 'false'}}}," for oneof in message.oneofs]
        lines.append("};")
    parts = [f".name = {c_string(message.full)}", f".size = sizeof(struct {message.c})",
             f".field_count = {len(message.fields)}", f".dense = {message.dense()}",
             f".special = {SPECIAL.get(message.full, 'PB_PLAIN')}"]
    if message.fields:
        parts.append(f".fields = {message.c}_fields")
    if message.validated:
        parts.append(".validated = true")
    if message.oneofs:
        parts.append(f".oneofs = {message.c}_oneofs, .oneof_count = {len(message.oneofs)}")
    if message.rules:
        parts.append(f".rules = {message.c}_rules, .rule_count = {len(message.rules)}")
    return lines + [f"const struct pb_type {message.c}_type = {{", *(f"    {part}," for part in parts), "};", ""]


def write_enum(enum):
    lines = [f"static const struct pb_enum_value {enum.c}_values[] = {{"]
    lines += [f"    {{.name = {c_string(name)}, .number = {int32(number)}}}," for name, number in enum.values]
    return lines + ["};", f"const struct pb_enum {enum.c}_enum = {{.name = {c_string(enum.full)}, "
                    f".values = {enum.c}_values, .count = {len(enum.values)}}};", ""]


def write_service(file, service):
    full = f"{file.package}.{service.text(1)}"
    name = c_name(full)
    methods = service.messages(2)
    lines = []
    if methods:
        lines.append(f"static const struct pb_method {name}_methods[] = {{")
    for method in methods:
        parts = [f".name = {c_string(method.text(1))}", f".path = {c_string(f'/{full}/{method.text(1)}')}",
                 f".request = &{c_name(method.text(2).lstrip('.'))}_type",
                 f".response = &{c_name(method.text(3).lstrip('.'))}_type"]
        parts += [f".{flag} = true" for number, flag in ((5, "client_streaming"), (6, "server_streaming"))
                  if method.int(number)]
        if Raw(method.bytes(4)).int(34) == NO_SIDE_EFFECTS:
            parts.append(".no_side_effects = true")
        lines.append("    {" + ", ".join(parts) + "},")
    if methods:
        lines.append("};")
    table = f".methods = {name}_methods, .method_count = {len(methods)}" if methods else ".method_count = 0"
    return lines + [f"const struct pb_service {name}_service = {{.name = {c_string(full)}, {table}}};", ""]


def write_source(file, statics):
    lines = [f'#include "gen/{file.stem}.pb.h"', '#include "rpc/pb_table.h"']
    if statics or any(m.rules or any(f.rules for f in m.fields) for m in file.messages):
        lines.append('#include "rpc/pb_rule.h"')
    lines += ["", "#include <stddef.h>", "", *statics]
    for enum in file.enums:
        lines += write_enum(enum)
    for message in file.messages:
        lines += write_message(message)
    for service in file.services:
        lines += write_service(file, service)
    return lines


def write_types(schema):
    names = sorted((m.full.encode(), m.c) for m in schema.messages())
    lines = ['#include "rpc/pb_table.h"', ""]
    lines += [f"extern const struct pb_type {c}_type;" for _, c in names]
    lines += ["", "const struct pb_type *const pb_types[] = {", *(f"    &{c}_type," for _, c in names), "};"]
    return lines + ["const size_t pb_type_count = sizeof pb_types / sizeof *pb_types;"]


def imports_first(schema):
    ordered = {}

    def visit(file):
        if file.name not in ordered:
            for name in file.dependencies:
                visit(schema.by_name[name])
            ordered[file.name] = file

    for file in schema.files:
        visit(file)
    return list(ordered.values())


def write_files(schema):
    files = imports_first(schema)
    lines = ['#include "rpc/pb_file.h"', ""]
    for index, file in enumerate(files):
        lines.append(f"static const unsigned char file{index}[] = {{")
        for start in range(0, len(file.data), 32):
            lines.append(",".join(str(byte) for byte in file.data[start:start + 32]) + ",")
        lines.append("};")
    lines.append("static const struct pb_file files[] = {")
    lines += [f"    {{.name = {c_string(file.name)}, .bytes = {{(const char *)file{index}, sizeof file{index}}}}},"
              for index, file in enumerate(files)]
    return lines + ["};", "", "const struct pb_file *pb_files(size_t *count)", "{",
                    "    *count = sizeof files / sizeof *files;", "    return files;", "}"]


def ask_rules(schema, whole):
    """Fills in all rules. Returns the constants that rules put into each file."""
    statics = {}
    for file in schema.files:
        lines = statics[file.name] = []
        for message in file.messages:
            message.rules = rules.message_rules(message.raw.data, Context(lines, message))
            for oneof in message.oneofs:
                oneof.required = rules.oneof_required(oneof.raw.data, Context(lines, message))
            for field in message.fields:
                field.rules = rules.field_rules(field.raw.data, Context(lines, message, field))
    if whole:
        rules.finish()
    mark_validated(schema)
    return statics


def mark_validated(schema):
    """A message is validated when it has rules itself or holds, at any depth, a message that has."""
    holders = {}
    todo = []
    for message in schema.messages():
        for field in message.fields:
            if isinstance(field.target, Message):
                holders.setdefault(field.target.full, []).append(message)
        if message.rules or any(f.rules for f in message.fields) or any(o.required for o in message.oneofs):
            todo.append(message)
    while todo:
        message = todo.pop()
        if not message.validated:
            message.validated = True
            todo += holders.get(message.full, [])


def outputs(schema):
    """Names of the files that end up directly in the output directory."""
    return ["pb_stamp.h", *(flat(file.stem, ".pb.c") for file in schema.files if file.used), "pb_types.c", "pb_files.c"]


def write_all(schema, out, whole):
    statics = ask_rules(schema, whole)
    texts = {}
    for file in schema.files:
        if file.used:
            texts[f"gen/{file.stem}.pb.h"] = write_header(schema, file)
            texts[flat(file.stem, ".pb.c")] = write_source(file, statics[file.name])
    texts["pb_types.c"] = write_types(schema)
    texts["pb_files.c"] = write_files(schema)
    texts = {name: "\n".join(lines) + "\n" for name, lines in texts.items()}
    digest = hashlib.sha256("".join(texts[name] for name in sorted(texts)).encode()).hexdigest()
    texts["pb_stamp.h"] = f"/* {digest} */\n"
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idl", type=Path)
    parser.add_argument("--proto", type=Path)
    parser.add_argument("--set", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path)
    what.add_argument("--list", action="store_true")
    args = parser.parse_args()
    files = descriptor_set.product_set(args.idl) if args.idl else {}
    if args.proto:
        files.update(descriptor_set.from_sources(args.proto, files))
    if args.set:
        files = {**descriptor_set.from_set(args.set), **files}
    if not files:
        parser.error("give --idl or --set")
    schema = Schema(files)
    names = outputs(schema)
    if len(set(names)) != len(names):
        raise SystemExit("two .proto files have paths that differ only in \"/\", \"_\" and \"-\"")
    if args.list:
        print("\n".join(names))
    else:
        write_all(schema, args.out, bool(args.idl))


if __name__ == "__main__":
    main()
