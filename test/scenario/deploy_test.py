#!/usr/bin/env python3
"""What is handed to other machines fits this binary: the libraries of the image, the unit of systemd."""
import re
import shutil
import subprocess
from pathlib import Path

from harness import FOLDER, MAYFLY, check

ROOT = Path(__file__).resolve().parents[2]
BASE = {"libc6"}  # of the image it is made from
SANITIZERS = {"libclang-rt-14-dev", "libgcc-s1", "libasan8", "libubsan1"}  # of the binary that is tested


def package_of(file):
    """The Debian package that has brought a file, or one of its name when the system's folders are merged."""
    for path in (file, file.resolve()):
        for name in (path, Path("/usr") / path.relative_to("/")):
            answer = subprocess.run(["dpkg", "-S", name], text=True, capture_output=True, check=False)
            if answer.returncode == 0:
                return answer.stdout.split(":")[0]
    return None


def linked():
    output = subprocess.run(["ldd", MAYFLY], text=True, capture_output=True, check=True).stdout
    return [Path(match) for match in re.findall(r"=> (/\S+)", output)]


def opened_later():
    """Libraries that the sources open by name, as far as this machine has them."""
    names = set()
    for source in (ROOT / "src").rglob("*.c"):
        names |= set(re.findall(r'"(lib[\w.+-]+\.so\.\d+)"', source.read_text(encoding="utf-8")))
    check({"libcurl.so.4", "libyaml-0.so.2"} <= names, names)
    cache = subprocess.run(["/sbin/ldconfig", "-p"], text=True, capture_output=True, check=True).stdout
    known = dict(re.findall(r"^\s*(\S+) .* => (\S+)$", cache, re.M))
    return [Path(known[name]) for name in sorted(names) if name in known and "gnutls" not in name]


def image_has_the_libraries():
    recipe = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8").split("FROM debian:12-slim")[1]
    installed = set(re.search(r"apt-get install [^\\]*\\\n\s+([^\\]*)\\", recipe)[1].split())
    for library in linked() + opened_later():
        package = package_of(library)
        check(package in installed | BASE | SANITIZERS, f"{library} of {package} is missing in deploy/Containerfile")


def unit_is_understood():
    unit = (ROOT / "deploy" / "mayfly.service").read_text(encoding="utf-8")
    check("ExecStart=/usr/local/bin/mayfly serve" in unit, unit)
    copy = FOLDER / "mayfly.service"
    copy.write_text(unit.replace("/usr/local/bin/mayfly", MAYFLY).replace("User=mayfly", "User=root").replace(
        "Group=mayfly", "Group=root"))
    answer = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], text=True, capture_output=True,
                            check=False)
    complaints = [line for line in answer.stderr.splitlines() if copy.name in line]
    check(not complaints, "\n".join(complaints))


if shutil.which("dpkg"):
    image_has_the_libraries()
else:
    print("*** SKIPPED: without dpkg nobody knows which package has a library ***")
if shutil.which("systemd-analyze"):
    unit_is_understood()
else:
    print("*** SKIPPED: without systemd-analyze the unit is not read ***")
