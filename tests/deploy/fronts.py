"""Run the nginx and HAProxy configurations of deploy/ on loopback, in front of a served portal."""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.support.server.portal import ROOT, PortalServer, free_port, serving
from tests.support.services import installed, missing

DEPLOY = ROOT / "deploy"
# The portal trusts 127.0.0.1, where the proxies connect from. A client elsewhere on loopback is
# neither a trusted proxy nor an operator.
OPERATOR, CLIENT = "127.0.0.1", "127.0.0.5"


def tool(name: str) -> str:
    """Return the path of a program, or skip the test."""
    path = installed(name)
    if path is None:
        missing(f"{name} is not installed")
    return path


class FromAddress(HTTPAdapter):
    """Connect from one address of the loopback network."""

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=(self.source, 0), **kwargs)


@dataclass(frozen=True)
class Front:
    """A running proxy: its two ports, and the certificate that it shows."""

    http: int
    https: int
    certificate: Path

    def call(self, method, path, *, source=CLIENT, scheme="https", token=None, **kwargs):
        """Send one request on a connection of its own, from the ``source`` address."""
        port = self.https if scheme == "https" else self.http
        headers = dict(kwargs.pop("headers", None) or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", FromAddress(source))
            session.mount("http://", FromAddress(source))
            return session.request(
                method,
                f"{scheme}://localhost:{port}{path}",
                headers=headers,
                verify=str(self.certificate),
                allow_redirects=False,
                timeout=kwargs.pop("timeout", 15),
                **kwargs,
            )


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a key and a certificate for localhost, valid for a day."""
    key, public = folder / "portal.key", folder / "portal.crt"
    if not public.exists():
        command = [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj"]
        command += ["/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        command += ["-keyout", str(key), "-out", str(public)]
        subprocess.run(command, check=True, capture_output=True)
    return key, public


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """Replace each string, which must occur: an example that changes must not go untested."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def rewrite(path: Path, *changes: tuple[str, str]) -> None:
    path.write_text(replaced(path.read_text(), *changes))


def nginx_files(folder: Path, *upstreams: str, http: int, https: int, prefix: str = "") -> Path:
    """Write deploy/nginx/token-portal.conf for this machine, with a server for each upstream.

    Return the nginx.conf around it.
    """
    key, public = certificate(folder)
    servers = "\n".join(f"    server {upstream};" for upstream in upstreams)
    text = replaced(
        (DEPLOY / "nginx" / "token-portal.conf").read_text(),
        ("listen 80 ", f"listen 127.0.0.1:{http} "),
        ("listen 443 ", f"listen 127.0.0.1:{https} "),
        ("    server 127.0.0.1:8000;", servers),
        ("portal.example.com", "localhost"),
        ("/etc/nginx/tls/token-portal.crt", str(public)),
        ("/etc/nginx/tls/token-portal.key", str(key)),
        ("/var/log/nginx/", f"{folder}/"),
    )
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    if prefix:
        text = replaced(
            text,
            ("location / {", f"location {prefix}/ {{"),
            ("location /static/ {", f"location {prefix}/static/ {{"),
            ("location ~ ^/(", f"location ~ ^{prefix}/("),
        )
    (folder / "token-portal.conf").write_text(text)
    main = folder / "nginx.conf"
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 2048; }\n"
        f"http {{ {temporary}\ninclude {folder}/token-portal.conf; }}\n"
    )
    return main


def haproxy_file(folder: Path, *upstreams: str, http: int, https: int) -> Path:
    """Write deploy/haproxy/haproxy.cfg for this machine, with a server for each upstream."""
    key, public = certificate(folder)
    pem = folder / "portal.pem"
    pem.write_text(public.read_text() + key.read_text())
    servers = "\n".join(
        f"    server portal{number} {upstream}" for number, upstream in enumerate(upstreams)
    )
    text = replaced(
        (DEPLOY / "haproxy" / "haproxy.cfg").read_text(),
        ("log /dev/log local0", "log stdout format raw local0"),
        ("bind :80\n", f"bind 127.0.0.1:{http}\n"),
        ("bind :443 ", f"bind 127.0.0.1:{https} "),
        ("    server portal 127.0.0.1:8000", servers),
        ("portal.example.com", "localhost"),
        ("/etc/haproxy/token-portal.pem", str(pem)),
    )
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return path


@contextmanager
def nginx(folder: Path, *upstreams: str, prefix: str = "", tls: bool = True) -> Iterator[Front]:
    """Run nginx. Without ``tls``, its port for HTTP serves instead of redirecting."""
    http, https = free_port(), free_port()
    path = nginx_files(folder, *upstreams, http=http, https=https, prefix=prefix)
    if not tls:
        rewrite(
            folder / "token-portal.conf",
            (f"listen 127.0.0.1:{http} default_server", f"listen 127.0.0.1:{https}"),
            (f"listen 127.0.0.1:{https} ssl http2 ", f"listen 127.0.0.1:{http} "),
        )
    command = [tool("nginx"), "-c", str(path), "-e", str(folder / "error.log")]
    with _running(command, folder, Front(http, https, folder / "portal.crt")) as front:
        yield front


@contextmanager
def haproxy(folder: Path, *upstreams: str, tls: bool = True) -> Iterator[Front]:
    """Run HAProxy. Without ``tls``, its port for HTTP serves instead of redirecting."""
    http, https = free_port(), free_port()
    path = haproxy_file(folder, *upstreams, http=http, https=https)
    if not tls:
        rewrite(
            path,
            ("http-request redirect scheme https code 301 unless { ssl_fc }", ""),
            ("X-Forwarded-Proto https", "X-Forwarded-Proto http"),
        )
    command = [tool("haproxy"), "-db", "-f", str(path)]
    with _running(command, folder, Front(http, https, folder / "portal.crt")) as front:
        yield front


@contextmanager
def _running(command: list[str], folder: Path, front: Front) -> Iterator[Front]:
    log = folder / "proxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                front.call("GET", "/healthz", scheme="http", timeout=10)
                break
            except requests.RequestException as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"The proxy did not start:\n{log.read_text()}") from error
                time.sleep(0.05)
        yield front
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def serving_behind(name: str, folder: Path, **overrides: str) -> Iterator[PortalServer]:
    """Serve the portal behind a proxy, whose address is the server's ``url``.

    ``name`` is "nginx" or "haproxy", with "-socket" or "-path" behind it for a portal on a unix
    socket or under a path. The proxy speaks HTTP, so that every client of the tests can use it.
    """
    kind, _, way = name.partition("-")
    prefix = "/tokens" if way == "path" else ""
    settings = {"TRUSTED_PROXIES": f"{OPERATOR},unix", "SCRIPT_NAME": prefix, **overrides}
    with tempfile.TemporaryDirectory(prefix="front-", dir=Path("/tmp")) as scratch:
        place = Path(scratch)
        place.chmod(0o755)  # nginx's workers run as another user
        socket_path = place / "portal.sock" if way == "socket" else None
        with serving(folder, socket_path=socket_path, **settings) as server:
            upstream = server.url.removeprefix("http://")
            if socket_path:
                upstream = f"{'unix@' if kind == 'haproxy' else 'unix:'}{socket_path}"
            kinds: dict[str, Any] = {"nginx": partial(nginx, prefix=prefix), "haproxy": haproxy}
            with kinds[kind](place, upstream, tls=False) as front:
                server.url = f"http://127.0.0.1:{front.http}{prefix}"
                yield server
