"""Collects file descriptors: out of unpacked Python wheels, descriptor sets written by protoc, and .proto files of our own."""
import ast
import subprocess
import tempfile
from pathlib import Path

from wire import Raw, fields, write_varint

# The v1 of reflection differs from v1alpha in nothing but its package; its descriptor is not in any wheel.
REFLECTION_ALPHA = "grpc_reflection/v1alpha/reflection.proto"


def from_python(path):
    """The serialized FileDescriptorProto inside a generated *_pb2.py, which is parsed, not run."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            return ast.literal_eval(node.args[0])
    return None


def from_wheels(root, prefixes):
    """Descriptors of all files below the prefixes and of what they import, imports first."""
    root = Path(root)
    ordered = {}

    def visit(path):
        data = from_python(path)
        if data is None:
            raise SystemExit(f"{path} holds no file descriptor")
        raw = Raw(data)
        name = raw.text(1)
        if name in ordered:
            return
        for dependency in raw.texts(3):
            if dependency not in ordered:
                visit(root / (dependency.removesuffix(".proto").replace("-", "_") + "_pb2.py"))
        ordered[name] = data

    for prefix in prefixes:
        found = sorted(root.glob(prefix))
        if not found:
            raise SystemExit(f"there is no {prefix} below {root}")
        for path in found:
            visit(path)
    return ordered


def from_set(path):
    """Descriptors of a FileDescriptorSet in its order."""
    files = {}
    for number, _, value in fields(Path(path).read_bytes()):
        if number == 1:
            files[Raw(value).text(1)] = value
    return files


def write_set(files, path):
    """A FileDescriptorSet, as protoc would write it."""
    Path(path).write_bytes(b"".join(b"\x0a" + write_varint(len(data)) + data for data in files.values()))


def from_sources(root, known):
    """Descriptors of all .proto files below root, in the order of their names; known holds what they import."""
    names = sorted(str(path.relative_to(root)) for path in Path(root).rglob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        imports, out = f"{scratch}/known.binpb", f"{scratch}/out.binpb"
        write_set(known, imports)
        try:
            # The set comes first, so that imports are those of the product, not files that a system has.
            subprocess.run(["protoc", f"--descriptor_set_in={imports}", f"--proto_path={root}", "-o", out, *names], check=True)
        except FileNotFoundError:
            raise SystemExit("protoc is missing; install what deps/apt.txt lists (scripts/setup.sh)") from None
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"protoc: the files below {root} have errors, see above") from error
        return from_set(out)


FIELD = {}
MESSAGE = {2: FIELD}
MESSAGE[3] = MESSAGE
FILE = {4: MESSAGE, 6: {2: {}}, 8: {}}


def retitled(data, old, new, shape=None):
    """A copy of a file descriptor with a string replaced in all names and references."""
    shape = FILE if shape is None else shape
    out = bytearray()
    for number, kind, value in fields(data):
        out += write_varint(number << 3 | kind)
        if kind == 0:
            out += write_varint(value)
            continue
        value = retitled(value, old, new, shape[number]) if number in shape else value.replace(old, new)
        out += write_varint(len(value)) + value
    return bytes(out)


def product_set(root):
    """All files of the product: the protocol, health and reflection."""
    files = from_wheels(root, ["flyteidl2/**/*_pb2.py", "grpc_health/v1/health_pb2.py",
                               "grpc_reflection/v1alpha/reflection_pb2.py", "google/protobuf/empty_pb2.py",
                               "google/protobuf/field_mask_pb2.py"])
    files[REFLECTION_ALPHA.replace("v1alpha", "v1")] = retitled(files[REFLECTION_ALPHA], b"v1alpha", b"v1")
    return files
