"""A small S3 client: signature version 4 in headers, written for the scenarios from Amazon's description."""
import hashlib
import hmac
import time
from urllib.parse import quote


def keys(data):
    """Access key and secret key that the server has left for clients."""
    lines = (data / "client.env").read_text().splitlines()
    values = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return (values["FLYTE_AWS_ACCESS_KEY_ID"].strip("'"), values["FLYTE_AWS_SECRET_ACCESS_KEY"].strip("'"))


def signed(server, pair, method, path, query=None, body=b"", headers=None, secret=None, payload=None):
    """Sends one signed request: (status, headers, body). path is unescaped and begins with the bucket's slash;
    payload is what x-amz-content-sha256 says instead of the body's hash."""
    access, real_secret = pair
    now = time.gmtime()
    stamp, day = time.strftime("%Y%m%dT%H%M%SZ", now), time.strftime("%Y%m%d", now)
    scope = f"{day}/us-east-1/s3/aws4_request"
    body_hash = payload or hashlib.sha256(body).hexdigest()
    all_headers = {"host": f"{server.host}:{server.port}", "x-amz-date": stamp, "x-amz-content-sha256": body_hash,
                   **{name.lower(): value for name, value in (headers or {}).items()}}
    names = ";".join(sorted(all_headers))
    escaped = quote(path, safe="/-_.~")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in (query or {}).items())
    text = "&".join(f"{k}={v}" for k, v in pairs)
    canonical = "\n".join([method, escaped, text, *(f"{n}:{all_headers[n].strip()}" for n in sorted(all_headers)), "",
                           names, body_hash])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + (secret or real_secret)).encode()
    for part in (day, "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    all_headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, "
                                    f"Signature={signature}")
    return server.request(method, escaped + ("?" + text if text else ""), body, all_headers, timeout=60)
