"""The verified cache: what is fetched is checked, resumed and never opened with a wrong hash."""

import dataclasses
import hashlib
from http.server import BaseHTTPRequestHandler

import pytest
from local_server import serving

from mocotool import downloads
from mocotool.errors import ConfigError, FileFormatError, UnavailableError

CONTENT = bytes(range(256)) * 5000


class OneFile(BaseHTTPRequestHandler):
    """Serves `CONTENT`; the server's `cut_after` ends the first answer early."""

    def do_GET(self):
        start = 0
        if (wanted := self.headers.get("Range")) and self.server.knows_ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        self.server.starts.append(start)
        body = self.server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut_after])
        self.server.cut_after = None

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    told = {"content": CONTENT, "cut_after": None, "knows_ranges": True, "starts": []}
    with serving(OneFile, **told) as server:
        yield server


@pytest.fixture
def publish(monkeypatch, tmp_path, server):
    """Publish the server's file under the name "toy"."""
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))

    def publish(**known):
        weights = downloads.PublishedWeights(
            name="toy",
            file_name="toy.bin",
            url=f"http://127.0.0.1:{server.server_port}/toy.bin",
            purpose="this test",
            **known,
        )
        monkeypatch.setitem(downloads.PUBLISHED, "toy", weights)
        return tmp_path / "cache" / "weights" / "toy.bin"

    return publish


SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_download_is_checked_and_found_again(publish):
    path = publish(sha256=SHA256, size_bytes=len(CONTENT))
    received = []

    fetched = downloads.fetch("toy", progress=received.append)

    assert fetched == path == downloads.find_weights("toy")
    assert path.read_bytes() == CONTENT
    assert sum(received) == len(CONTENT)


def test_a_second_fetch_downloads_nothing(publish, server):
    publish(sha256=SHA256)

    downloads.fetch("toy")
    downloads.fetch("toy")

    assert server.starts == [0]


def test_a_cut_download_goes_on_where_it_stopped(publish, server):
    path = publish(sha256=SHA256)
    path.parent.mkdir(parents=True)
    path.with_name("toy.bin.part").write_bytes(CONTENT[:1000])

    downloads.fetch("toy")

    assert server.starts == [1000]
    assert path.read_bytes() == CONTENT


def test_a_connection_that_breaks_says_so_and_is_resumed(publish, server):
    path = publish(sha256=SHA256)
    server.cut_after = 4096

    with pytest.raises(UnavailableError, match="cut short"):
        downloads.fetch("toy")
    downloads.fetch("toy")

    assert server.starts == [0, 4096]
    assert path.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(publish, server):
    path = publish(sha256=SHA256)
    server.knows_ranges = False
    path.parent.mkdir(parents=True)
    path.with_name("toy.bin.part").write_bytes(b"half of it")

    downloads.fetch("toy")

    assert path.read_bytes() == CONTENT


def test_another_file_than_the_published_one_is_refused_and_removed(publish, server):
    path = publish(sha256=SHA256)
    server.content = b"<!DOCTYPE html><html>quota exceeded</html>"

    with pytest.raises(UnavailableError, match="a web page") as caught:
        downloads.fetch("toy")

    assert SHA256 in str(caught.value)
    assert list(path.parent.iterdir()) == []


def test_a_file_put_into_the_cache_by_hand_is_checked(publish):
    path = publish(sha256=SHA256)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")

    with pytest.raises(UnavailableError, match="is not the file 'toy'"):
        downloads.find_weights("toy")


def test_git_hashes_are_understood(publish):
    # what `git hash-object` prints for the same bytes
    blob = hashlib.sha1(f"blob {len(CONTENT)}\0".encode() + CONTENT).hexdigest()
    path = publish(git_sha1=blob)

    assert downloads.fetch("toy") == path
    assert downloads.is_published("toy", path) is True


def test_an_unpublished_hash_is_trusted_once_and_said_so(publish, server):
    path = publish()
    notes = []

    downloads.fetch("toy", note=notes.append)
    path.write_bytes(b"tampered with")

    assert SHA256 in notes[0]
    with pytest.raises(UnavailableError, match=SHA256):
        downloads.find_weights("toy")


def test_missing_weights_say_address_hash_and_place(publish, server):
    path = publish(sha256=SHA256)

    with pytest.raises(UnavailableError) as caught:
        downloads.find_weights("toy")

    for part in ("moco fetch toy", f"127.0.0.1:{server.server_port}", SHA256, str(path)):
        assert part in caught.value.hint


def test_no_network_says_what_to_do_by_hand(publish, server, monkeypatch):
    path = publish(sha256=SHA256)
    weights = dataclasses.replace(downloads.PUBLISHED["toy"], url="http://127.0.0.1:1/toy.bin")
    monkeypatch.setitem(downloads.PUBLISHED, "toy", weights)

    with pytest.raises(UnavailableError, match="cannot be fetched") as caught:
        downloads.fetch("toy")

    assert str(path) in caught.value.hint


def test_the_users_own_file_is_taken_as_it_is(publish, tmp_path):
    publish(sha256=SHA256)
    own = tmp_path / "own.bin"
    own.write_bytes(b"mine")

    assert downloads.find_weights("toy", file=own) == own
    assert downloads.is_published("toy", own) is False


def test_a_missing_file_of_the_users_is_named(publish, tmp_path):
    publish()

    with pytest.raises(FileFormatError, match="no such file"):
        downloads.find_weights("toy", file=tmp_path / "nothing.pt")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        downloads.fetch("i3")

    assert "i3d" in caught.value.hint


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("MOCO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")

    assert downloads.cache_folder() == tmp_path / "mocotool"


def test_a_web_page_is_no_file_without_a_hash(publish, server):
    path = publish()
    server.content = b"  <!DOCTYPE html><html>Quota exceeded</html>"

    with pytest.raises(UnavailableError, match="a web page"):
        downloads.fetch("toy")

    assert not path.exists()
    assert not path.with_name("toy.bin.part").exists()
    assert not (path.parent / downloads.TRUSTED_NAME).exists()


def test_a_file_without_a_hash_is_of_the_kind_it_should_be(publish, server, monkeypatch):
    publish()
    weights = dataclasses.replace(downloads.PUBLISHED["toy"], file_name="toy.npz")
    monkeypatch.setitem(downloads.PUBLISHED, "toy", weights)

    with pytest.raises(UnavailableError, match=r"no \.npz file"):
        downloads.fetch("toy")


def test_more_than_a_file_may_have_is_not_taken(publish, server, monkeypatch):
    path = publish()
    monkeypatch.setattr(downloads, "MAX_DOWNLOAD_BYTES", 1000)

    with pytest.raises(UnavailableError, match="sends more than 1,000 bytes"):
        downloads.fetch("toy")

    assert not path.exists()
    assert path.with_name("toy.bin.part").stat().st_size == 0


def test_a_hash_trusted_by_mistake_can_be_forgotten(publish, server):
    path = publish()
    server.content = b"what somebody put there"
    downloads.fetch("toy")
    path.write_bytes(CONTENT)

    with pytest.raises(UnavailableError) as caught:
        downloads.find_weights("toy")

    assert "first file seen" in caught.value.hint
    assert downloads.TRUSTED_NAME in caught.value.hint
