#!/usr/bin/env python3
"""Writes test/unit/objects/signer_vectors.inc: what botocore signs at a fixed time.

    pip install botocore; test/s3/make_vectors.py > test/unit/objects/signer_vectors.inc
"""
import datetime
import hashlib
import json
from urllib.parse import parse_qs, quote, urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TOKEN = "FwoGZXIvYXdzEXAMPLE//token+with/slashes=="
MD5 = {"content-md5": "XUFAKrxLKna5cZ2REBfFkg=="}
META = MD5 | {"x-amz-meta-flytecontentmd5": "XUFAKrxLKna5cZ2REBfFkg=="}
AWS = "bucket.s3.eu-west-1.amazonaws.com"
MINIO = "127.0.0.1:9000"

# method, host, path, region, token, headers, expiry
LINKS = [
    ("GET", AWS, "/team/a.txt", "eu-west-1", None, {}, 3600),
    ("GET", MINIO, "/bucket/team/a.txt", "us-east-1", None, {}, 60),
    ("PUT", MINIO, "/bucket/team/a.txt", "us-east-1", None, META, 900),
    ("PUT", AWS, "/x", "eu-west-1", TOKEN, META, 604800),
    ("PUT", MINIO, "/bucket/sized", "us-east-1", None, {"content-length": "17"} | MD5, 900),
    ("GET", MINIO, "/bucket/with space/ä+b&c=d?e#f/~tilde", "us-east-1", None, {}, 1),
    ("GET", "storage.googleapis.com", "/bucket/a", "auto", None, {}, 60),
]
# method, host, path, query, region, token, headers, body
HEADS = [
    ("GET", AWS, "/team/a.txt", {}, "eu-west-1", None, {}, ""),
    ("HEAD", MINIO, "/bucket/team/ä b", {}, "us-east-1", None, {}, ""),
    ("PUT", MINIO, "/bucket/a", {}, "us-east-1", TOKEN,
     {"content-type": "text/plain", "x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}, "hello"),
    ("GET", MINIO, "/bucket", {"list-type": "2", "max-keys": "1", "prefix": "a b/ü"}, "us-east-1", None, {}, ""),
    ("PUT", AWS, "/a", {"partNumber": "12", "uploadId": "x/y+z=="}, "eu-west-1", None, {}, "part"),
    ("POST", AWS, "/a", {"uploads": ""}, "eu-west-1", TOKEN, {"content-type": "application/pdf"}, ""),
]


def sign(auth, method, host, path, query, headers, body=""):
    encoded = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items()))
    url = f"https://{host}{quote(path, safe='/~')}" + (f"?{encoded}" if encoded else "")
    request = botocore.awsrequest.AWSRequest(method=method, url=url, headers=dict(headers), data=body.encode())
    request.context["payload_signing_enabled"] = True
    auth.add_auth(request)
    return request


def credentials(token):
    return botocore.credentials.Credentials(*KEYS, token)


def text(value):
    raw = json.dumps(value or "", ensure_ascii=False)
    return raw


def headers_of(headers):
    pairs = ", ".join(f"{{MF_STR({text(k)}), MF_STR({text(v)})}}" for k, v in sorted(headers.items()))
    return f"{{{pairs}}}, {len(headers)}"


def params_of(query):
    pairs = ", ".join(f"{{MF_STR({text(k)}), MF_STR({text(v)})}}" for k, v in sorted(query.items()))
    return f"{{{pairs}}}, {len(query)}"


def main():
    botocore.auth.get_current_datetime = lambda *a, **k: NOW
    print("/* Made by test/s3/make_vectors.py with botocore; do not edit. */\n/* clang-format off */")
    print("static const struct link_vector links[] = {")
    for method, host, path, region, token, headers, expiry in LINKS:
        auth = botocore.auth.S3SigV4QueryAuth(credentials(token), "s3", region, expires=expiry)
        # The header is signed like any other when it is there; botocore itself never puts it there.
        auth.SIGNED_HEADERS_BLACKLIST = []
        request = sign(auth, method, host, path, {}, headers)
        signature = parse_qs(urlsplit(request.url).query)["X-Amz-Signature"][0]
        names = parse_qs(urlsplit(request.url).query)["X-Amz-SignedHeaders"][0]
        print(f"    {{{text(method)}, {text(host)}, {text(path)}, {text(region)}, {text(token)}, {headers_of(headers)},"
              f" {expiry}, {text(names)}, {text(signature)}}},")
    print("};\nstatic const struct head_vector heads[] = {")
    for method, host, path, query, region, token, headers, body in HEADS:
        auth = botocore.auth.S3SigV4Auth(credentials(token), "s3", region)
        request = sign(auth, method, host, path, query, headers, body)
        digest = hashlib.sha256(body.encode()).hexdigest()
        print(f"    {{{text(method)}, {text(host)}, {text(path)}, {params_of(query)}, {text(region)}, {text(token)},"
              f" {headers_of(headers)}, {text(digest)}, {text(request.headers['Authorization'])}}},")
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    main()
