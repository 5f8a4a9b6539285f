#!/usr/bin/env python3
"""What newer S3 clients send by themselves: bodies in pieces, checksums in headers and trailers, and ListParts."""
import base64
import os
import re
import zlib

from harness import Server, check
from s3 import keys, signed

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def pieces(body, size=70_000, trailer=None):
    out = b""
    for start in range(0, len(body), size):
        piece = body[start:start + size]
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\n" + (trailer or f"x-amz-checksum-crc32:{crc32(body)}").encode() + b"\r\n\r\n"


with Server() as server:
    pair = keys(server.data)

    def put(path, body, wire=None, query=None, **more):
        headers = {"content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32",
                   "x-amz-decoded-content-length": str(len(body)), **more}
        return signed(server, pair, "PUT", path, query=query, body=pieces(body) if wire is None else wire,
                      headers=headers, payload=UNSIGNED)

    # Pieces are put together; what is stored is the body.
    for size in (0, 10, 70_000, 3_000_000):
        body = os.urandom(size)
        status, headers, _ = put("/mayfly/pieces", body)
        check(status == 200 and headers["x-amz-checksum-crc32"] == crc32(body), f"{size}: {status} {headers}")
        status, headers, read = signed(server, pair, "GET", "/mayfly/pieces")
        check(read == body and "content-encoding" not in headers, f"{size} came back as {len(read)} {headers}")
    status, headers, _ = put("/mayfly/packed", b"x", **{"content-encoding": "aws-chunked,gzip"})
    check(signed(server, pair, "HEAD", "/mayfly/packed")[1]["content-encoding"] == "gzip", "the encoding that stays")

    # What is wrong with them is told, and nothing is stored.
    body = b"right"
    wrong = {
        "BadDigest": pieces(body, trailer=f"x-amz-checksum-crc32:{crc32(b'wrong')}"),
        "InvalidArgument": pieces(body, trailer="x-amz-other:1"),
        "IncompleteBody": pieces(body)[:-30],
    }
    for code, wire in wrong.items():
        status, _, answer = put("/mayfly/broken", body, wire)
        check(status == 400 and code.encode() in answer, f"{code}: {status} {answer}")
    status, _, answer = put("/mayfly/broken", body, pieces(b"longer than"))
    check(status == 400 and b"IncompleteBody" in answer, answer)
    status, _, answer = put("/mayfly/broken", body, **{"x-amz-decoded-content-length": "x"})
    check(status == 400 and b"x-amz-decoded-content-length" in answer, answer)
    check(signed(server, pair, "HEAD", "/mayfly/broken")[0] == 404, "nothing was stored")

    # Checksums of plain bodies.
    def checked(name, value):
        return signed(server, pair, "PUT", "/mayfly/sum", body=b"123456789", headers={f"x-amz-checksum-{name}": value})
    for name, value in (("crc32", "y/Q5Jg=="), ("crc32c", "4waSgw=="), ("crc64nvme", "rosUhgp5mIg="),
                        ("sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
                        ("sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=")):
        status, headers, answer = checked(name, value)
        check(status == 200 and headers[f"x-amz-checksum-{name}"] == value, f"{name}: {status} {answer}")
        status, _, answer = checked(name, "AAAAAA==")
        check(status == 400 and b"BadDigest" in answer, f"{name}: {status} {answer}")
    check(checked("md4", "x")[0] == 400, "an unknown checksum")

    # A multipart upload in pieces, and its list of parts.
    _, _, answer = signed(server, pair, "POST", "/mayfly/multi", query={"uploads": ""},
                          headers={"x-amz-checksum-algorithm": "CRC32"})
    upload = re.search(rb"<UploadId>(.*)</UploadId>", answer)[1].decode()
    bodies = {number: os.urandom(100_000 + number) for number in (1, 2, 5)}
    etags = {}
    for number, body in bodies.items():
        status, headers, answer = put("/mayfly/multi", body, query={"partNumber": str(number), "uploadId": upload})
        check(status == 200, answer)
        etags[number] = headers["etag"]

    def parts(**more):
        status, _, answer = signed(server, pair, "GET", "/mayfly/multi", query={"uploadId": upload, **more})
        check(status == 200, answer)
        part = r"<PartNumber>(\d+)</PartNumber><ETag>&quot;(\w+)&quot;</ETag><Size>(\d+)</Size>"
        found = re.findall(part, answer.decode())
        return {int(n): (f'"{etag}"', int(size)) for n, etag, size in found}, b"<IsTruncated>true" in answer
    check(parts() == ({n: (etags[n], len(bodies[n])) for n in bodies}, False), parts())
    page, more = parts(**{"max-parts": "2"})
    check(list(page) == [1, 2] and more, page)
    page, more = parts(**{"max-parts": "2", "part-number-marker": "2"})
    check(list(page) == [5] and not more, page)
    check(signed(server, pair, "GET", "/mayfly/multi", query={"uploadId": "nobody"})[0] == 404, "an unknown upload")
    query = {"uploadId": upload, "max-parts": "x"}
    check(signed(server, pair, "GET", "/mayfly/multi", query=query)[0] == 400, "no number")
    listed = "".join(f"<Part><ChecksumCRC32>x</ChecksumCRC32><ETag>{etags[n]}</ETag><PartNumber>{n}</PartNumber></Part>"
                     for n in bodies)
    status, _, answer = signed(server, pair, "POST", "/mayfly/multi", query={"uploadId": upload},
                               body=f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode())
    check(status == 200, answer)
    check(signed(server, pair, "GET", "/mayfly/multi")[2] == b"".join(bodies.values()), "the parts in order")
