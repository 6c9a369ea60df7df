"""Published weights of detectors and perceptual networks, in a cache that checks what they are.

Nothing is fetched unless asked (`moco fetch NAME`, or an address in place of the name). A file is
hashed before anything opens it; a wrong hash is refused. Where nobody published a hash, the first
file seen is trusted, its hash is written down, and every later one must have it.
"""

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mocotool import __version__
from mocotool.addresses import address_of, check_safe, is_store, parse_address
from mocotool.errors import ConfigError, UnavailableError
from mocotool.files import HASH_CHUNK_BYTES, atomic_path, check_input_file, make_folder, sha256_file
from mocotool.stores import copy_file

TIMEOUT_S = 30.0
TRUSTED_NAME = "trusted.json"
DOWNLOAD_CHUNK_BYTES = 1 << 20
MAX_DOWNLOAD_BYTES = 2_000_000_000
ZIP_MAGIC = b"PK\x03\x04"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PublishedWeights:
    """A file of weights that others publish."""

    name: str
    """What `moco fetch` calls it."""
    file_name: str
    """Its file name in the cache."""
    url: str
    """Its download URL."""
    purpose: str
    """What needs it."""
    size_bytes: int | None = None
    """Size in bytes, where it is known."""
    sha256: str | None = None
    """sha256 of the whole file, where it is known."""
    git_sha1: str | None = None
    """Git's own hash of the file, where only that is known."""
    licence: str = "not stated"
    """What its publisher says."""


_GITHUB = "https://github.com"
PUBLISHED = {
    weights.name: weights
    for weights in (
        PublishedWeights(
            name="i3d",
            file_name="i3d_pretrained_400.pt",
            url=f"{_GITHUB}/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
            purpose="FVD and KVD: I3D trained on Kinetics-400, plain tensors",
            git_sha1="a867b87ac3a9097d200598b1d48a1b890d8ec744",
        ),
        PublishedWeights(
            name="i3d-torchscript",
            file_name="i3d_torchscript.pt",
            url="https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
            purpose="FVD and KVD: the TorchScript file of StyleGAN-V, to compare with",
            size_bytes=51_235_320,
            sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        ),
        PublishedWeights(
            name="inception",
            file_name="weights-inception-2015-12-05-6726825d.pth",
            url=f"{_GITHUB}/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            purpose="FID: the Inception of 2015-12-05, plain tensors",
            sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            licence="Apache-2.0",
        ),
        PublishedWeights(
            name="c3d",
            file_name="conv3d_deepnetA_ucf.npz",
            url=f"{_GITHUB}/rezoo/tgan2/releases/download/v1.0/conv3d_deepnetA_ucf.npz",
            purpose="IS: C3D trained on UCF-101 (with c3d-mean)",
            licence="MIT",
        ),
        PublishedWeights(
            name="c3d-mean",
            file_name="mean2.npz",
            url=f"{_GITHUB}/rezoo/tgan2/releases/download/v1.0/mean2.npz",
            purpose="IS: the mean clip that C3D subtracts",
            licence="MIT",
        ),
        PublishedWeights(
            name="facenet",
            file_name="20180402-114759-vggface2.pt",
            url=f"{_GITHUB}/timesler/facenet-pytorch/releases/download/v2.2.9/"
            "20180402-114759-vggface2.pt",
            purpose="ACD: FaceNet trained on VGGFace2",
            sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
            licence="MIT",
        ),
        PublishedWeights(
            name="vgg16",
            file_name="vgg16-397923af.pth",
            url="https://download.pytorch.org/models/vgg16-397923af.pth",
            purpose="the perceptual distance of moco invert: VGG16 of torchvision",
            size_bytes=553_433_881,
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            licence="BSD-3-Clause",
        ),
    )
}


def cache_folder() -> Path:
    """Return the folder for what can be made or fetched again; it need not exist yet.

    `$MOCO_CACHE` if it is set, else "mocotool" in the user's cache folder.
    """
    if chosen := os.environ.get("MOCO_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mocotool"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "mocotool"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mocotool"


def cached_path(name: str) -> Path:
    """Return where the weights called `name` are kept, whether they are there or not.

    Raises:
        ConfigError: There are no weights of that name.
    """
    return cache_folder() / "weights" / describe_weights(name).file_name


def describe_weights(name: str) -> PublishedWeights:
    """Return what is known of the weights called `name`, which may be an address.

    Raises:
        ConfigError: There are no weights of that name, or the address is not safe.
    """
    if address_of(name) is not None:
        address = parse_address(name)
        return PublishedWeights(
            name=address.name,
            file_name=address.file_name,
            url=address.url,
            purpose="named by its address",
            sha256=address.sha256,
        )
    try:
        return PUBLISHED[name]
    except KeyError:
        raise ConfigError(
            f"no weights are called {name!r}", hint=f"one of: {', '.join(PUBLISHED)}"
        ) from None


def find_weights(name: str, *, file: Path | str | None = None) -> Path:
    """Return a file of weights that may be opened.

    Args:
        name: Which weights, a key of `PUBLISHED`.
        file: The user's own copy, taken as it is; `None` is the verified one of the cache.

    Raises:
        FileFormatError: `file` is missing or empty.
        UnavailableError: The weights are not in the cache, or what lies there is something else.
    """
    weights = describe_weights(name)
    if file is not None:
        return check_input_file(Path(file))
    path = cached_path(name)
    if not path.is_file():
        what = f"{name}: not fetched yet"
        if address_of(name) is None:
            what = f"the weights {name!r} are not here"
        raise UnavailableError(what, hint=how_to_get(weights))
    _check_identity(weights, path, source=str(path))
    return path


def how_to_get(weights: PublishedWeights) -> str:
    """Return how the user gets these weights: by command, or by hand."""
    if is_store(weights.url):
        return f"`moco fetch {weights.name}`"
    if weights.sha256:
        check = f"sha256 {weights.sha256}"
    elif weights.git_sha1:
        check = f"git hash-object {weights.git_sha1}"
    else:
        check = "sha256 not published"
    return (
        f"`moco fetch {weights.name}`; or download {weights.url} ({check}) by hand and put it at "
        f"{cached_path(weights.name)}"
    )


def known_sha256(name: str) -> str | None:
    """Return the sha256 that a file has to have: the published one, or that of the first seen."""
    weights = describe_weights(name)
    return weights.sha256 or _trusted().get(weights.file_name)


def is_published(name: str, file: Path) -> bool | None:
    """Return whether a file is the one published as `name`; `None` if no hash of it is known."""
    known = _known_hash(describe_weights(name))
    return None if known is None else known.read(file) == known.value


def fetch(
    name: str,
    *,
    progress: Callable[[int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> Path:
    """Download weights into the cache, unless they are there already.

    An interrupted download resumes where it stopped. The file gets its name only after its hash
    has been checked.

    Args:
        name: Which weights, a key of `PUBLISHED`.
        progress: Called with the number of bytes received since the last call.
        note: Called with what the user should know, such as a hash that nobody published.

    Returns:
        Where the file is.

    Raises:
        ConfigError: There are no weights of that name, or the cache cannot be written.
        UnavailableError: The address cannot be reached, or gives another file.
    """
    import http.client  # with what it needs, a sixth of every command's start
    import urllib.error

    weights = describe_weights(name)
    path = cached_path(name)
    if path.is_file():
        _check_identity(weights, path, source=str(path))
        return path

    # into a file of another name, which a later call resumes
    part = path.with_name(f"{path.name}.part")
    try:
        make_folder(path.parent)
        _download(weights, part, progress)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        reason = getattr(error, "reason", None) or error
        raise UnavailableError(
            f"{name}: {weights.url} cannot be fetched: {reason}", hint=how_to_get(weights)
        ) from None
    except OSError as error:
        raise ConfigError(f"{part}: cannot be written: {error.strerror or error}") from None

    # the file gets its name once it is what it should be
    is_first = _known_hash(weights) is None
    try:
        _check_identity(weights, part, source=weights.url)
    except UnavailableError:
        part.unlink()
        raise
    part.replace(path)
    if is_first and note is not None:
        note(
            f"{name}: nobody publishes a sha256 of this file; this one has {sha256_file(path)}, "
            "which is written down and expected from now on"
        )
    return path


def _download(
    weights: PublishedWeights, part: Path, progress: Callable[[int], None] | None
) -> None:
    """Append what is missing of a file to `part`."""
    num_here = part.stat().st_size if part.exists() else 0
    if num_here and num_here == weights.size_bytes:
        return
    if is_store(weights.url):
        limit = weights.size_bytes or MAX_DOWNLOAD_BYTES
        copy_file(weights.url, part, begun=num_here, limit_bytes=limit, progress=progress)
        return

    response = _request(weights, start=num_here)
    if response is None:
        return
    with response:
        # a server that ignores the range sends the file from its beginning
        resumes = response.status == 206 and _starts_at(response, num_here)
        if progress is not None and resumes:
            progress(num_here)
        with part.open("ab" if resumes else "wb") as file:
            while chunk := response.read(DOWNLOAD_CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > (weights.size_bytes or MAX_DOWNLOAD_BYTES):
                    file.truncate(0)
                    raise UnavailableError(
                        f"{weights.name}: {weights.url} sends more than "
                        f"{weights.size_bytes or MAX_DOWNLOAD_BYTES:,} bytes",
                        hint=how_to_get(weights),
                    )
                if progress is not None:
                    progress(len(chunk))
        if response.length:  # what was promised and did not come
            raise UnavailableError(
                f"{weights.name}: {weights.url} was cut short by {response.length:,} bytes",
                hint=f"`moco fetch {weights.name}` resumes the download",
            )


def _request(weights: PublishedWeights, *, start: int) -> Any:
    """Ask for a file from byte `start` on; `None` where nothing is left to send."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(
        weights.url, headers={"User-Agent": f"mocotool/{__version__}", "Accept": "*/*"}
    )
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        return _opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # range not satisfiable: what is here is whole, or not this file
            raise
        error.close()
        return None


def _opener() -> Any:
    """Return what opens addresses, and follows them to others only while nobody can listen in."""
    import urllib.request

    class _SafeRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> Any:
            check_safe(args[-1])  # the new address
            return super().redirect_request(*args)

    return urllib.request.build_opener(_SafeRedirects)


def _starts_at(response: Any, position: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {position}-")


@dataclasses.dataclass(frozen=True, slots=True)
class _KnownHash:
    kind: str
    value: str
    read: Callable[[Path], str]


def _known_hash(weights: PublishedWeights) -> _KnownHash | None:
    """Return what a file must hash to: what is published, else what was trusted before."""
    if weights.sha256:
        return _KnownHash("sha256", weights.sha256, sha256_file)
    if weights.git_sha1:
        return _KnownHash("git hash", weights.git_sha1, _git_sha1)
    trusted = _trusted().get(weights.file_name)
    return _KnownHash("sha256", trusted, sha256_file) if trusted else None


def _check_identity(weights: PublishedWeights, path: Path, *, source: str) -> None:
    """Check that a file is the published one; remember the hash of one that nobody published.

    Raises:
        UnavailableError: It is another file.
    """
    known = _known_hash(weights)
    if known is None:
        _check_looks(weights, path, source=source)
        _trust(weights.file_name, sha256_file(path))
        return
    if (found := known.read(path)) != known.value:
        raise UnavailableError(
            f"{source}: is not the file {weights.name!r}: {known.kind} {found} "
            f"({path.stat().st_size:,} bytes{_guess(path)}), expected {known.value}",
            hint=f"delete {cached_path(weights.name)} if it is there; {how_to_get(weights)}"
            + _how_to_forget(weights),
        )


def _how_to_forget(weights: PublishedWeights) -> str:
    if weights.sha256 or weights.git_sha1:
        return ""
    return (
        f"; the hash expected is that of the first file seen: if that one was wrong, take "
        f"{weights.file_name!r} out of {cache_folder() / 'weights' / TRUSTED_NAME}"
    )


def _check_looks(weights: PublishedWeights, path: Path, *, source: str) -> None:
    """Check that a file whose hash nobody knows at least looks like weights.

    Raises:
        UnavailableError: It is a web page, or of another kind than its ending says.
    """
    with path.open("rb") as file:
        start = file.read(8)
    is_other = path.name.removesuffix(".part").endswith(".npz") and not start.startswith(ZIP_MAGIC)
    if guess := _guess(path) or (", no .npz file" if is_other else ""):
        raise UnavailableError(
            f"{source}: is not the file {weights.name!r} ({path.stat().st_size:,} bytes{guess})",
            hint=how_to_get(weights),
        )


def _guess(path: Path) -> str:
    """Say what a failed download usually leaves."""
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return ", a web page"
    return ", a Git LFS pointer" if start.startswith(b"version https://git-lfs") else ""


def _git_sha1(path: Path) -> str:
    """Return Git's hash of a file's content, what `git hash-object` prints."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _trusted() -> dict[str, str]:
    """Return file name -> sha256 of what was trusted on first use."""
    try:
        values = json.loads((cache_folder() / "weights" / TRUSTED_NAME).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(key): str(value) for key, value in values.items()}


def _trust(file_name: str, sha256: str) -> None:
    path = cache_folder() / "weights" / TRUSTED_NAME
    values = _trusted() | {file_name: sha256}
    with atomic_path(path) as part:
        part.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
