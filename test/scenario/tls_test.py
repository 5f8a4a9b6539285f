#!/usr/bin/env python3
"""TLS: HTTP/1.1 and HTTP/2 by ALPN, plain connections refused, client certificates demanded when configured."""
import http.client
import json
import socket
import ssl
import subprocess

from harness import FOLDER, Server, check, eventually


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=FOLDER)


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")


def certificate(name, issuer):
    (FOLDER / f"{name}.ext").write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem", "-days", "2")


def context(client=None, alpn=("http/1.1",)):
    made = ssl.create_default_context(cafile=str(FOLDER / "authority.pem"))
    made.set_alpn_protocols(list(alpn))
    if client:
        made.load_cert_chain(FOLDER / f"{client}.pem", FOLDER / f"{client}.key")
    return made


def call(server, client=None):
    connection = http.client.HTTPSConnection(server.host, server.port, context=context(client), timeout=30)
    connection.request("POST", "/flyteidl2.project.ProjectService/ListProjects", b"{}", {"content-type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


authority("authority")
authority("stranger")
certificate("server", "authority")
certificate("client", "authority")
certificate("foreign", "stranger")
tls = ["--tls-cert", FOLDER / "server.pem", "--tls-key", FOLDER / "server.key"]

with Server(*tls) as server:
    check(server.url.startswith("https://"), server.url)
    status, answer = call(server)
    check(status == 200 and answer["projects"]["projects"], answer)
    with context(alpn=("h2", "http/1.1")).wrap_socket(socket.create_connection((server.host, server.port), 30),
                                                      server_hostname="localhost") as connection:
        check(connection.selected_alpn_protocol() == "h2", "h2 is chosen when it is offered")
    with socket.create_connection((server.host, server.port), 30) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        check(b"200" not in plain.recv(1000).split(b"\r\n")[0], "a plain request was answered")
    # A client that connects and never shakes hands does not stay, nor does it hold up others.
    with socket.create_connection((server.host, server.port), 30):
        check(call(server)[0] == 200, "another client")

with Server(*tls, "--tls-client-ca", FOLDER / "authority.pem", name="mutual") as server:
    check(call(server, "client")[0] == 200, "with the right certificate")
    for wrong in (None, "foreign"):
        try:
            status, _ = call(server, wrong)
            raise AssertionError(f"certificate {wrong} was accepted: {status}")
        except (OSError, http.client.HTTPException):
            pass
    eventually(lambda: call(server, "client")[0] == 200, "the server goes on")
