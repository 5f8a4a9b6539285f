#!/usr/bin/env python3
"""Writes the SQL files of a folder as a C table: embed.py OUT.c FILE.sql...

A file is named NNNN_words.sql; the numbers have to run from 1 without a gap. The text goes out as numbers, since a
string literal of that length is beyond what ISO C promises.
"""
import re
import sys
from pathlib import Path


def array(name, data):
    lines = [f"static const char {name}[] = {{"]
    numbers = [str(b if b < 128 else b - 256) for b in data + b"\0"]
    for i in range(0, len(numbers), 32):
        lines.append(",".join(numbers[i : i + 32]) + ",")
    return "\n".join(lines) + "\n};\n"


def main(out, names):
    rows = []
    text = ['#include "store/migrate.h"\n\n']
    for path in sorted(map(Path, names), key=lambda p: p.name):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match or int(match[1]) != len(rows) + 1:
            raise SystemExit(f"{path.name}: expected a name like {len(rows) + 1:04}_words.sql")
        data = path.read_bytes()
        if b"\0" in data:
            raise SystemExit(f"{path.name} holds a NUL byte")
        text.append(array(f"sql_{match[1]}", data))
        rows.append(f'    {{{int(match[1])}, "{match[2]}", sql_{match[1]}}},\n')
    text.append("\nconst struct mf_migration mf_migrations[] = {\n" + "".join(rows) + "};\n")
    text.append("const size_t mf_migration_count = sizeof mf_migrations / sizeof mf_migrations[0];\n")
    Path(out).write_text("".join(text), encoding="ascii")


main(sys.argv[1], sys.argv[2:])
