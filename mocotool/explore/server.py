"""The page of `moco explore` on the loopback address: who may ask, for what, and what comes back.

There is a page, the command line of a view, its frames and its latents; no file is ever served. The
address holds a secret, and what asks without it, under another host's name or from another site's
page is refused.
"""

import hmac
import io
import json
import secrets
import select
import socket
import struct
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from mocotool.configs.chosen import find_field, parse_value
from mocotool.configs.explore import ExploreConfig, ExploreView
from mocotool.configs.option import list_fields
from mocotool.errors import ConfigError, MocoError, UnavailableError
from mocotool.explore.page import render_page
from mocotool.explore.session import Explorer
from mocotool.latents import write_latents

HOST = "127.0.0.1"
MAX_STREAMS = 8  # that render at once
MAX_FIELDS = 32
QUIET_S = 30.0  # how long a connection may neither send nor take anything
FAREWELL_S = 10.0
RECORD = struct.Struct(">II")  # number of a frame, bytes of its PNG file, which follow
BROKEN = 0xFFFFFFFF  # in place of a number: what follows says why no more frames come
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def parse_view(query: str) -> tuple[ExploreView, int]:
    """Read what a client asks for.

    Args:
        query: Fields of `ExploreView` as an address holds them, such as "seed=3&directions=0,1.5",
            and `first`, the frame that is wanted first.

    Returns:
        The view, and that frame; 0 if none is named.

    Raises:
        ConfigError: A field is unknown, named twice, or its value is none of those there are.
    """
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=bool(query),
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise ConfigError("expected fields such as seed=3&loop=true") from None
    fields, values, first = list_fields(ExploreView), {}, 0
    for name, text in pairs:
        if name == "first":
            first = _parse_frame(text)
            continue
        field = find_field(name, fields, said="the address")
        if field.name in values:
            raise ConfigError(f"{field.name}: named twice")
        values[field.name] = parse_value(field, text, said=f"{field.name} {text!r:.40}")
    return ExploreView(**values), first


def _parse_frame(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise ConfigError(f"first {text!r:.40}: expected the number of a frame")
    return int(text)


class ExploreServer(ThreadingHTTPServer):
    """Serves one explorer to this machine until it is stopped.

    Args:
        explorer: What is looked at.
        config: What the page begins with, and its port; `None` for the defaults.

    Raises:
        UnavailableError: The port is taken, or not this user's to take.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, explorer: Explorer, *, config: ExploreConfig | None = None) -> None:
        self.explorer = explorer
        self.config = ExploreConfig() if config is None else config
        self.token = secrets.token_urlsafe(32)
        self.streams = threading.BoundedSemaphore(MAX_STREAMS)
        self.is_stopping = threading.Event()
        try:
            super().__init__((HOST, self.config.port), _Request)
        except OSError as error:
            raise UnavailableError(
                f"port {self.config.port}: {(error.strerror or str(error)).lower()}",
                hint="--port 0 chooses a free one",
            ) from None
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def address(self) -> str:
        """Of the page, secret included."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show the traceback of a bug; a client that went away is none."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Refuse further requests, end the streams, and wait for running computations."""
        self.is_stopping.set()
        super().server_close()
        # A thread that was cut off while torch computes would bring the process down.
        if self.explorer.busy.acquire(timeout=FAREWELL_S):
            self.explorer.busy.release()


class _Request(BaseHTTPRequestHandler):
    """One request; `server` is an `ExploreServer`."""

    server: ExploreServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "moco", ""
    timeout = QUIET_S

    def do_GET(self) -> None:
        """Answer, or say in a sentence why not."""
        refusal = self._refusal()
        if refusal is not None:
            self._answer(HTTPStatus.FORBIDDEN, refusal)
            return
        path, _, query = self.path.partition("?")
        name = path.split("/", 2)[2]
        answers = {
            "": self._send_page,
            "command": self._send_command,
            "frames": self._send_frames,
            "latents.npz": self._send_latents,
        }
        if self.command != "GET":
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "Everything here is asked for with GET.")
        elif name not in answers:
            self._answer(HTTPStatus.NOT_FOUND, "There is no such page; no files are served.")
        else:
            try:
                answers[name](query)
            except MocoError as error:
                hint = f" ({error.hint})" if error.hint else ""
                self._answer(HTTPStatus.BAD_REQUEST, f"{error}{hint}")

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _refusal(self) -> str | None:
        """Return why whoever asks may not, or `None`."""
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        # Another name for this machine is how a stranger's page would reach it.
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            return f"This page is served as {' and '.join(sorted(self.server.hosts))} alone."
        if any(
            origin not in {f"http://{host}" for host in self.server.hosts} for origin in origins
        ):
            return "Pages of other origins may not ask here."
        parts = self.path.partition("?")[0].split("/", 2)
        given = parts[1] if len(parts) == 3 and not parts[0] else ""
        if not hmac.compare_digest(given.encode(), self.server.token.encode()):
            return "The address lacks its secret: take it whole from where `moco explore` runs."
        return None

    def _send_page(self, query: str) -> None:
        del query  # the page's own program reads what stands after its address
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        page = render_page(self.server.explorer, self.server.config, nonce=nonce)
        self._answer(
            HTTPStatus.OK, page, "text/html; charset=utf-8", **{"Content-Security-Policy": policy}
        )

    def _send_command(self, query: str) -> None:
        view, _ = parse_view(query)
        commands = self.server.explorer.commands(view, out="clip.mp4")
        self._answer(HTTPStatus.OK, json.dumps({"command": " | ".join(commands)}), JSON)

    def _send_latents(self, query: str) -> None:
        view, _ = parse_view(query)
        file = io.BytesIO()
        write_latents(self.server.explorer.trajectory(view), file)
        name = f"explored-{view.seed}-{view.motion_seed}.npz"
        self._answer(
            HTTPStatus.OK,
            file.getvalue(),
            "application/octet-stream",
            **{"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _send_frames(self, query: str) -> None:
        """Send each frame as soon as it is rendered, for as long as somebody takes them."""
        view, first = parse_view(query)
        if not self.server.streams.acquire(blocking=False):
            self._answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MAX_STREAMS} videos are being rendered already; close a page.",
            )
            return
        try:
            frames = self.server.explorer.frames(view, first=first)
            self._begin(
                HTTPStatus.OK, "application/octet-stream", **{"Transfer-Encoding": "chunked"}
            )
            try:
                for number, png in frames:
                    self._send_chunk(RECORD.pack(number, len(png)) + png)
                    if self.server.is_stopping.is_set() or self._is_gone():
                        return  # without the last chunk: what came is not the whole
            except MocoError as error:
                said = str(error).encode()
                self._send_chunk(RECORD.pack(BROKEN, len(said)) + said)
            self._send_chunk(b"")
        finally:
            self.server.streams.release()

    def _is_gone(self) -> bool:
        """Return whether the client has hung up, which writing alone would say a frame later."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _answer(
        self, status: HTTPStatus, body: str | bytes, kind: str = TEXT, **headers: str
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self._begin(status, kind, **{"Content-Length": str(len(data))}, **headers)
        if self.command != "HEAD":
            self.wfile.write(data)

    def _begin(self, status: HTTPStatus, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.close_connection = True  # one request each: no thread waits for more
        for name, value in {
            "Content-Type": kind,
            "Connection": "close",
            **HEADERS,
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the command's."""
