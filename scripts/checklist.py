#!/usr/bin/env python3
"""Checks that every test which test/CHECKLIST.md names is there."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    paths = [path for path in (ROOT / "test").rglob("*") if path.suffix in (".py", ".c", ".h")]
    names = {path.name for path in paths}
    text = "\n".join(path.read_text(errors="replace") for path in paths)
    checklist = (ROOT / "test" / "CHECKLIST.md").read_text()
    missing = {name for name in re.findall(r"\b[a-z0-9_]+_(?:test\.py|test\.c|fuzz\.c)", checklist) if name not in names}
    # A name that ends in "…" or "_" is the beginning of several.
    missing |= {name for name in re.findall(r"\b[wc]\d+_[a-z0-9_]+", checklist) if name not in text}
    for name in sorted(missing):
        print(f"test/CHECKLIST.md names {name}, which is not there")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
