#!/usr/bin/env python3
"""The embedded object store: signed requests, links with their bounds, ranges, parts, lists, and nothing but objects."""
import base64
import hashlib
import os
from urllib.parse import urlsplit

from harness import DOMAIN, PROJECT, Server, check
from s3 import keys, signed

DATA = "flyteidl2.dataproxy.DataProxyService"


def upload_location(server, name, content, **more):
    return server.call(DATA, "CreateUploadLocation", {
        "project": PROJECT, "domain": DOMAIN, "filename": name,
        "contentMd5": base64.b64encode(hashlib.md5(content).digest()).decode(), "expiresIn": "60s", **more})


def put(server, url, content, headers=None):
    parts = urlsplit(url)
    md5 = {"content-md5": base64.b64encode(hashlib.md5(content).digest()).decode()}
    given = {name.lower(): value for name, value in (headers or {}).items()}
    return server.request("PUT", f"{parts.path}?{parts.query}", content, given | md5)[0]


with Server() as server:
    pair = keys(server.data)

    def s3(method, name, **more):
        return signed(server, pair, method, f"/mayfly/{name}", **more)

    # Upload by link: what the link promises, and nothing else.
    content = os.urandom(300_000)
    link = upload_location(server, "bundle.tar.gz", content)
    check(link["nativeUrl"].startswith("s3://mayfly/"), link)
    extra = link.get("headers", {})
    check(put(server, link["signedUrl"], b"other content", extra) in (400, 403), "another content than the link's MD5")
    check(put(server, link["signedUrl"].replace("bundle", "bumble"), content, extra) == 403, "another name than the link's")
    check(put(server, link["signedUrl"], content, extra) == 200, "the promised content")
    name = link["nativeUrl"].removeprefix("s3://mayfly/")
    check(s3("GET", name)[2] == content, "what was uploaded can be read")
    late = upload_location(server, "late", content, expiresIn="1s")["signedUrl"]
    check("X-Amz-Expires=1" in late, late)

    # Signatures.
    check(server.request("GET", f"/mayfly/{name}")[0] == 403, "without a signature")
    check(signed(server, pair, "GET", f"/mayfly/{name}", secret="wrong")[0] == 403, "with a wrong secret")

    # Small and large bodies, ranges, overwriting, deleting.
    for size in (0, 1, 1000, 32 * 1024 + 1, 5_000_000):
        body = os.urandom(size)
        status, headers, _ = s3("PUT", f"sizes/{size}", body=body)
        check(status == 200 and headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"', f"PUT of {size}: {status} {headers}")
        status, headers, read = s3("GET", f"sizes/{size}")
        check(status == 200 and read == body, f"GET of {size}")
        status, headers, read = s3("HEAD", f"sizes/{size}")
        check(status == 200 and headers["content-length"] == str(size) and not read, f"HEAD of {size}: {headers}")
        if size > 10:
            status, headers, read = s3("GET", f"sizes/{size}", headers={"range": "bytes=3-9"})
            check(status == 206 and read == body[3:10] and headers["content-range"] == f"bytes 3-9/{size}", f"range of {size}")
            check(s3("GET", f"sizes/{size}", headers={"range": "bytes=-5"})[2] == body[-5:], "the last five bytes")
            check(s3("GET", f"sizes/{size}", headers={"range": f"bytes={size}-"})[0] == 416, "a range beyond the end")
    check(s3("PUT", "sizes/1000", body=b"new")[0] == 200 and s3("GET", "sizes/1000")[2] == b"new", "overwritten")
    check(s3("DELETE", "sizes/1000")[0] == 204 and s3("GET", "sizes/1000")[0] == 404, "deleted")

    # Multipart.
    status, _, answer = s3("POST", "parts/big", query={"uploads": ""})
    check(status == 200, answer)
    upload = answer.decode().split("<UploadId>")[1].split("<")[0]
    parts = [os.urandom(6_000_000), os.urandom(100)]
    etags = []
    for number, part in enumerate(parts, 1):
        status, headers, answer = s3("PUT", "parts/big", query={"partNumber": str(number), "uploadId": upload}, body=part)
        check(status == 200, answer)
        etags.append(headers["etag"])
    check(s3("GET", "parts/big")[0] == 404, "not there before it is complete")
    complete = "<CompleteMultipartUpload>" + "".join(
        f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in enumerate(etags, 1)
    ) + "</CompleteMultipartUpload>"
    status, _, answer = s3("POST", "parts/big", query={"uploadId": upload}, body=complete.encode())
    check(status == 200 and b"<Error>" not in answer, answer)
    check(s3("GET", "parts/big")[2] == b"".join(parts), "the parts in order")

    # Lists.
    for name in ("list/a", "list/b/1", "list/b/2", "list/c d&e"):
        check(s3("PUT", name, body=b"x")[0] == 200, name)

    def listing(**query):
        status, _, answer = signed(server, pair, "GET", "/mayfly", query={"list-type": "2", **query})
        check(status == 200, answer)
        return answer.decode()

    text = listing(prefix="list/", delimiter="/")
    check("<Key>list/a</Key>" in text and "<Prefix>list/b/</Prefix>" in text and "list/b/1" not in text, text)
    check("list/c d&amp;e" in text, text)
    page = listing(prefix="list/", **{"max-keys": "2"})
    check("<IsTruncated>true</IsTruncated>" in page, page)
    token = page.split("<NextContinuationToken>")[1].split("<")[0]
    rest = listing(prefix="list/", **{"continuation-token": token})
    check(all((key in page) != (key in rest) for key in ("list/a", "list/b/1", "list/b/2")), page + rest)

    # Names that try to leave the bucket.
    outside = set(server.data.parent.iterdir())
    for name in ("../outside", "a/../../outside", "/etc/outside", "a//b", "./a"):
        status = s3("PUT", name, body=b"x")[0]
        check(status == 400, f"{name}: {status}")
    check(server.request("PUT", "/mayfly/..%2f..%2foutside", b"x")[0] in (400, 403), "an escaped way out")
    check(set(server.data.parent.iterdir()) == outside, "something was written outside")
    check(signed(server, pair, "GET", "/other/name")[0] == 404, "another bucket")

    # What was acknowledged is there after kill -9, and half an upload leaves nothing behind.
    last = os.urandom(2_000_000)
    check(s3("PUT", "last/large", body=last)[0] == 200 and s3("PUT", "last/small", body=b"small")[0] == 200, "PUT")
    server.kill()
    server.start()
    check(s3("GET", "last/large")[2] == last and s3("GET", "last/small")[2] == b"small", "objects after kill -9")
    check(s3("GET", "parts/big")[2] == b"".join(parts), "and the one made of parts")
