"""Generators by their address: fetched only when asked, checked from then on."""

import hashlib
import io
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from local_server import serving

from mocotool import downloads
from mocotool.addresses import address_of, check_safe, parse_address
from mocotool.errors import ConfigError, FileFormatError, UnavailableError
from mocotool.generators.loading import load_generator
from mocotool.generators.recorded import load_recorded_generator
from mocotool.latents import read_latents


class Files(BaseHTTPRequestHandler):
    """Serves what the server's `files` has under a path, and sends /away elsewhere."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://example.com/g.pkl")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path, toy_generator_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))
    files = {"/g.safetensors": toy_generator_path.read_bytes()}
    with serving(Files, files=files, asked=[]) as server:
        yield server


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_port}/g.safetensors"


def test_addresses_are_told_from_paths():
    assert address_of("https://a.org/b.pkl") == "https://a.org/b.pkl"
    assert address_of(Path("https://a.org/b.pkl")) == "https://a.org/b.pkl"
    assert address_of(Path("hf://o/r/f.pkl")) == "hf://o/r/f.pkl"
    assert [address_of(name) for name in ("a/b.pkl", "c:/x.pkl", "https:", None)] == [None] * 4


def test_hugging_faces_files_are_found_by_owner_repo_and_revision():
    plain, revised = parse_address("hf://o/r/a/b c.pkl"), parse_address("hf://o/r@v1/b.pkl")

    assert plain.url == "https://huggingface.co/o/r/resolve/main/a/b%20c.pkl"
    assert revised.url == "https://huggingface.co/o/r/resolve/v1/b.pkl"
    assert plain.file_name != revised.file_name
    assert revised.file_name.endswith("-b.pkl")


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/g.pkl",
        "hf://owner/file.pkl",
        "hf://owner/../repo/file.pkl",
        "https://me:secret@a.org/g.pkl",
        "https:///g.pkl",
        "https://[/g.pkl",
        "https://a.org/g.pkl#sha256=12",
    ],
)
def test_addresses_that_are_not_safe_are_refused(address):
    with pytest.raises(ConfigError) as refused:
        parse_address(address)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://a.org/x", "file:///etc/passwd", "http://a.org/x"])
def test_nothing_leads_away_from_https(url):
    with pytest.raises(ConfigError):
        check_safe(url)


def test_a_server_cannot_lead_the_download_elsewhere(server):
    away = f"http://127.0.0.1:{server.server_port}/away"

    with pytest.raises(ConfigError, match="not https"):
        downloads.fetch(away)


def test_nothing_is_fetched_before_it_is_asked_for(server, url, run_moco, toy_latents_path):
    result = run_moco("render", toy_latents_path, "--generator", url, "--format", "png")

    assert result.exit_code == 5
    assert f"{url}: not fetched yet" in result.stderr
    assert f"moco fetch {url}" in result.stderr
    assert server.asked == []


def test_a_fetched_generator_is_used_recorded_and_checked(
    server, url, run_moco, toy_generator_path, toy_motion_path, tmp_path
):
    sha256 = hashlib.sha256(toy_generator_path.read_bytes()).hexdigest()

    fetched = run_moco("fetch", url)
    sampled = run_moco("sample", toy_motion_path, "--generator", url, "--num-frames", "3")
    walk = tmp_path / "walk.npz"
    walk.write_bytes(sampled.stdout_bytes)
    rendered = run_moco("render", walk, "-o", tmp_path / "sheet.png")

    assert (fetched.exit_code, rendered.exit_code) == (0, 0), fetched.stderr + rendered.stderr
    assert sha256 in fetched.stderr  # shown where it is written down
    assert sha256 in fetched.stdout
    record = read_latents(io.BytesIO(sampled.stdout_bytes), "<pipe>").meta.generator
    assert (record.path, record.sha256) == (url, sha256)
    assert server.asked == ["/g.safetensors"]

    downloads.cached_path(url).write_bytes(toy_motion_path.read_bytes())
    with pytest.raises(UnavailableError, match="expected " + sha256):
        load_generator(url)
    with pytest.raises(FileFormatError, match="which is not there"):
        load_recorded_generator(record, name="walk.npz")


def test_info_describes_what_has_been_fetched_and_fetches_nothing(
    server, url, run_moco, toy_generator_path
):
    early = run_moco("info", url)
    asked = list(server.asked)
    run_moco("fetch", url)
    late = run_moco("info", url, "--json")

    assert (early.exit_code, asked) == (5, [])
    assert f"{url}: not fetched yet" in early.stderr
    assert f"moco fetch {url}" in early.stderr
    values = json.loads(late.stdout)
    assert (values["file"], values["what"]) == (url, "generator")
    assert values["sha256"] == hashlib.sha256(toy_generator_path.read_bytes()).hexdigest()
    assert server.asked == ["/g.safetensors"]


def test_an_address_can_say_its_hash(server, url, toy_generator_path):
    sha256 = hashlib.sha256(toy_generator_path.read_bytes()).hexdigest()

    with pytest.raises(UnavailableError, match="expected 0000"):
        downloads.fetch(f"{url}#sha256={'0' * 64}")
    assert not downloads.cached_path(url).exists()
    notes = []
    downloads.fetch(f"{url}#sha256={sha256}", note=notes.append)

    assert notes == []
    assert load_generator(f"{url}#sha256={sha256}").resolution == 16


def test_an_artefact_that_names_an_address_fetches_nothing(server, url, toy_generator):
    import dataclasses

    record = dataclasses.replace(toy_generator.origin.file, path=url)

    with pytest.raises(FileFormatError, match="which is not there") as refused:
        load_recorded_generator(record, name="walk.npz")

    assert f"moco fetch {url}" in refused.value.hint
    assert server.asked == []
