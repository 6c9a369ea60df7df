"""Who may ask the server of `moco explore`, for what, and what comes back."""

import contextlib
import http.client
import io
import json
import socket
import struct
import threading
import time

import numpy as np
import pytest
from local_server import running

from mocotool.configs.explore import ExploreConfig, ExploreView
from mocotool.errors import ConfigError, UnavailableError
from mocotool.explore.opening import load_explorer
from mocotool.explore.server import BROKEN, MAX_STREAMS, RECORD, ExploreServer, parse_view
from mocotool.latents import read_latents


@contextlib.contextmanager
def served(explorer, **config):
    with ExploreServer(explorer, config=ExploreConfig(**config)) as server, running(server):
        yield server


@pytest.fixture(scope="module")
def explorer(toy_motion_path, toy_pca_path):
    return load_explorer(toy_motion_path, pca=toy_pca_path)


@pytest.fixture(scope="module")
def server(explorer):
    with served(explorer) as running:
        yield running


def ask(server, name="", *, method="GET", path=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path or f"/{server.token}/{name}", headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def split_records(data):
    while data:
        number, size = RECORD.unpack_from(data)
        yield number, data[RECORD.size : RECORD.size + size]
        data = data[RECORD.size + size :]


def test_the_page_comes_with_its_own_program_alone(server):
    status, page, headers = ask(server)

    policy = headers["Content-Security-Policy"]
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert status == 200
    assert policy.startswith("default-src 'none'; ")
    assert f'<script nonce="{nonce}">' in page.decode()
    assert b"http://" not in page
    assert b"https://" not in page
    assert headers["Referrer-Policy"] == "no-referrer"


def test_only_this_machine_is_listened_to(server):
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 40


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/wrong/", "/frames", "/favicon.ico", "/%2e%2e/"])
def test_without_the_secret_nothing_is_served(method, path, server):
    status, body, _ = ask(server, method=method, path=path)

    assert status == 403
    assert server.token.encode() not in body


@pytest.mark.parametrize("name", ["", "frames?num_frames=2", "command", "latents.npz"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "evil.example:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
    ],
)
def test_foreign_hosts_and_origins_are_refused(name, headers, server):
    headers = {key: value.format(port=server.server_port) for key, value in headers.items()}

    status, body, _ = ask(server, name, **headers)

    assert status == 403
    assert body.decode().endswith(".")


def test_the_pages_own_origin_and_localhost_are_welcome(server):
    own = f"http://127.0.0.1:{server.server_port}"

    assert ask(server, "command", Origin=own)[0] == 200
    assert ask(server, "command", Host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize(
    "name", ["../etc/passwd", "motion.safetensors", "page/", "frames/", "%2e%2e/x", "latents.npz/x"]
)
def test_no_files_are_served(name, server):
    assert ask(server, name)[0] == 404


def test_things_are_asked_for_with_get(server):
    assert ask(server, "command", method="POST")[0] == 405


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("truncation_psi=nan", "expected a number"),
        ("truncation_psi=1e999", "expected a number"),
        ("truncation_psi=3", "expected from -2 to 2"),
        ("step_size=-1", "expected from 0 to 10"),
        ("num_frames=0", "expected from 1 to 480"),
        ("num_frames=1000000", "expected from 1 to 480"),
        ("num_frames=" + "9" * 5000, "expected a whole number"),
        ("num_frames=2.5", "expected a whole number"),
        ("seed=-1", "expected from 0 to"),
        ("seed=4294967296", "expected from 0 to"),
        ("loop=perhaps", "expected true or false"),
        ("fps=0", "expected more than 0"),
        ("directions=1,x", "expected numbers"),
        ("directions=nan", "expected from -10 to 10"),
        ("directions=1,-11", "expected from -10 to 10"),
        ("directions=" + ",".join("1" * 65), "expected at most 64"),
        ("directions=" + ",".join("1" * 13), "the basis has 12 components"),
        ("label=1", "no classes"),
        ("first=16&num_frames=16", "frames 0 to 15"),
        ("first=-1", "expected the number of a frame"),
        ("seed=1&seed=2", "named twice"),
        ("sed=1", "did you mean seed?"),
        ("seed", "expected fields such as"),
        ("&".join(["seed=1"] * 99), "expected fields such as"),
        ("seed=%ff", "expected fields such as"),
    ],
)
def test_values_that_are_none_are_a_sentence(query, said, server):
    status, body, headers = ask(server, f"frames?{query}")

    assert status == 400
    assert said in body.decode()
    assert "Traceback" not in body.decode()
    assert headers["Content-Type"].startswith("text/plain")


def test_a_query_is_a_view():
    view, first = parse_view("seed=3&loop=false&step_size=none&directions=0,1.5&first=2&fps=24")

    assert view == ExploreView(seed=3, loop=False, directions=(0.0, 1.5), fps=24.0)
    assert first == 2
    assert parse_view("") == (ExploreView(), 0)
    with pytest.raises(ConfigError):
        parse_view("seed=")


def test_frames_come_one_after_the_other(server, explorer):
    view = ExploreView(seed=3, num_frames=5, directions=(1.0,))
    status, data, headers = ask(server, "frames?seed=3&num_frames=5&directions=1&first=3")

    records = list(split_records(data))
    assert status == 200
    assert headers["Transfer-Encoding"] == "chunked"
    assert [number for number, _ in records] == [3, 4, 0, 1, 2]
    assert records == list(explorer.frames(view, first=3))


def test_the_command_and_the_latents_are_those_of_the_explorer(
    server, explorer, run_moco, tmp_path
):
    view = ExploreView(seed=3, num_frames=5, directions=(1.0,))
    query = "seed=3&num_frames=5&directions=1"

    told = json.loads(ask(server, f"command?{query}")[1])["command"]
    status, data, headers = ask(server, f"latents.npz?{query}")
    (tmp_path / "saved.npz").write_bytes(data)
    described = json.loads(run_moco("info", tmp_path / "saved.npz", "--json").stdout)

    assert told == " | ".join(explorer.commands(view, out="clip.mp4"))
    assert status == 200
    assert headers["Content-Disposition"] == 'attachment; filename="explored-3-0.npz"'
    saved = read_latents(io.BytesIO(data), "saved")
    np.testing.assert_array_equal(saved.latents, explorer.trajectory(view).latents)
    assert described["what"] == "latents"
    assert described["num_frames"] == 5


class Slow:
    """An explorer whose videos have no end, and who knows how many are being watched."""

    def __init__(self):
        self.busy, self.num_watched, self.num_rendered = threading.RLock(), 0, 0

    def frames(self, view, *, first):
        self.num_watched += 1
        try:
            while True:
                time.sleep(0.002)
                self.num_rendered += 1
                yield view.seed, b"png"
        finally:
            self.num_watched -= 1


def begin(server, seed):
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=20)
    line = f"GET /{server.token}/frames?seed={seed} HTTP/1.1\r\n"
    connection.sendall(f"{line}Host: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
    return connection


def wait_until(is_so):
    deadline = time.monotonic() + 10
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert is_so()


def test_a_vanished_client_ends_its_stream_and_no_other():
    slow = Slow()
    with served(slow) as server, begin(server, 1) as stays:
        goes = begin(server, 2)
        wait_until(lambda: slow.num_watched == 2)

        goes.close()

        wait_until(lambda: slow.num_watched == 1)
        stays.recv(1000)
        assert RECORD.pack(1, 3) + b"png" in stays.recv(1000)


def test_only_so_many_streams_render_at_once():
    slow = Slow()
    with served(slow) as server, contextlib.ExitStack() as clients:
        for seed in range(MAX_STREAMS):
            clients.enter_context(begin(server, seed))
        wait_until(lambda: slow.num_watched == MAX_STREAMS)

        status, body, _ = ask(server, "frames")

        assert status == 503
        assert body.decode().startswith(f"{MAX_STREAMS} videos are being rendered already")
        clients.close()
        wait_until(lambda: slow.num_watched == 0)


def test_a_client_that_hangs_up_is_no_traceback(server, capsys):
    with socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"GET / HT")  # and a reset in the middle of a line
    assert ask(server, "command")[0] == 200  # by then that has been seen

    assert capsys.readouterr() == ("", "")


def test_stopping_ends_the_streams():
    slow = Slow()
    with served(slow) as server, begin(server, 1) as client:
        wait_until(lambda: slow.num_rendered > 2)
        server.is_stopping.set()
        wait_until(lambda: slow.num_watched == 0)
        last = client.recv(10_000)
        while last:  # what was on its way
            last = client.recv(10_000)

    assert last == b""  # the connection has ended, too
    assert slow.num_watched == 0


def test_what_goes_wrong_in_the_middle_is_told():
    class Broken(Slow):
        def frames(self, view, *, first):
            yield 0, b"png"
            raise UnavailableError("no memory")

    with served(Broken()) as server:
        _, data, _ = ask(server, "frames")

    assert list(split_records(data)) == [(0, b"png"), (BROKEN, b"no memory")]


def test_a_port_that_is_taken_is_a_sentence(server, explorer):
    with pytest.raises(UnavailableError, match=f"port {server.server_port}: address already"):
        ExploreServer(explorer, config=ExploreConfig(port=server.server_port))
