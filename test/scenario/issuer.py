"""An issuer of tokens for scenarios: discovery, keys, user info, server metadata. Tokens are signed with openssl."""

import base64
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import FOLDER


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


def der_integers(data):
    """The two numbers of an ECDSA signature in ASN.1, side by side."""
    at, numbers = 2, []
    for _ in range(2):
        size = data[at + 1]
        numbers.append(int.from_bytes(data[at + 2 : at + 2 + size], "big").to_bytes(32, "big"))
        at += 2 + size
    return numbers[0] + numbers[1]


class Key:
    def __init__(self, kid, kind="RSA", bits=2048):
        self.kid, self.kind, self.path = kid, kind, FOLDER / f"{kid}.pem"
        options = (
            ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
            if kind == "RSA"
            else ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        )
        openssl("genpkey", *options, "-out", self.path)

    def public(self):
        if self.kind == "RSA":
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
            return {
                "kty": "RSA",
                "kid": self.kid,
                "use": "sig",
                "alg": "RS256",
                "n": b64(bytes.fromhex(modulus)),
                "e": "AQAB",
            }
        point = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        return {"kty": "EC", "kid": self.kid, "crv": "P-256", "x": b64(point[:32]), "y": b64(point[32:])}

    def sign(self, claims, **header):
        head = {"alg": "RS256" if self.kind == "RSA" else "ES256", "kid": self.kid, **header}
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
        signature = openssl("dgst", "-sha256", "-sign", self.path, data=text.encode())
        return f"{text}.{b64(signature if self.kind == 'RSA' else der_integers(signature))}"


def unsigned(claims, padded=False):
    """A token that nobody has signed, as a proxy passes on."""

    def encode(data):
        return base64.urlsafe_b64encode(data).decode() if padded else b64(data)

    return f"{encode(b'{}')}.{encode(json.dumps(claims).encode())}.{encode(b'x')}"


class Issuer:
    """answers: path -> (status, JSON or bytes), or a function that gives that from the request's headers."""

    def __init__(self, tls=None):
        """tls: the files of certificate and key."""
        self.answers, self.asked, self.headers = {}, [], {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                issuer.headers[self.path] = dict(self.headers.items())
                answer = issuer.answers.get(self.path, (404, {}))
                status, body = answer(self.headers) if callable(answer) else answer
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.keys([])

    def keys(self, keys, userinfo=False):
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if userinfo:
            document["userinfo_endpoint"] = f"{self.url}/userinfo"
        self.answers["/.well-known/openid-configuration"] = (200, document)
        self.answers["/keys"] = (200, {"keys": [key.public() for key in keys]})

    def claims(self, **more):
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "alice",
            "aud": "mayfly",
            "exp": now + 600,
            "iat": now,
            "email": "alice@example.org",
            "name": "Alice A",
            **more,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def count(self, path):
        return self.asked.count(path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
