"""Files named by an address: on the web, on Hugging Face, or in an object store.

`https://host/file`, `hf://owner/repo/file`, `s3://bucket/file`; in stores also folders.
"""

import dataclasses
import hashlib
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from mocotool.errors import ConfigError

HUB = "https://huggingface.co"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_NAME = 100
STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "oss", "oci", "sftp", "ssh", "memory"})
"""Protocols that fsspec's packages speak, and that nobody on the way can change."""
EXPECTED = "expected https://host/file.pkl, hf://owner/repo/file.pkl or s3://bucket/file.pkl"


ADDRESS = re.compile(rf"(https?|hf|{'|'.join(sorted(STORES))}):/+(?=[^/])")


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where a file is published."""

    name: str
    """The address without its hash, which is what the file is called."""
    url: str
    """Where it is downloaded from."""
    file_name: str
    """Its file name in the cache, unique to this address."""
    sha256: str | None
    """The hash that the address itself gives, after "#sha256="."""


def address_of(place: Path | str | None) -> str | None:
    """Return the address that a name or a path stands for, or `None` if it is a file's.

    A path has lost one of the two slashes: `Path("https://a/b")` is "https:/a/b".
    """
    found = re.match(ADDRESS, str(place))
    return None if found is None else f"{found[1]}://{str(place)[found.end() :]}"


def is_store(url: str) -> bool:
    """Return whether an address is read through fsspec."""
    return url.partition("://")[0] in STORES


def parse_address(text: str) -> Address:
    """Split an address into its download URL and the name of the file.

    `hf://owner/repo@REVISION/file` takes another revision than "main"; "#sha256=..." at the end
    says which file it has to be.

    Raises:
        ConfigError: It is not an address that can be fetched safely.
    """
    plain, _, fragment = text.partition("#")
    plain = plain.rstrip("/") if is_store(plain) else plain
    known = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if fragment and known is None:
        raise ConfigError(f"{text}: expected #sha256= and 64 hexadecimal digits at the end")
    url = _hub_url(plain) if plain.startswith("hf://") else plain
    check_safe(url)
    last = re.sub(r"[^\w.-]", "_", urlsplit(url).path.rpartition("/")[2])[-MAX_NAME:]
    digest = hashlib.sha256(plain.encode()).hexdigest()[:16]
    return Address(
        name=plain,
        url=url,
        file_name=f"{digest}-{last or 'file'}",
        sha256=known[1].lower() if known else None,
    )


def check_safe(url: str) -> None:
    """Check that what comes from an address cannot be changed on the way.

    Raises:
        ConfigError: It is neither https nor of this machine, or no address at all.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or not url.isprintable() or " " in url:
        raise ConfigError(f"{url}: no address, {EXPECTED}")
    if parts.username or parts.password:
        raise ConfigError(f"{parts.hostname}: the address contains a user name or password")
    if is_store(url):
        return
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ConfigError(f"{url}: not https, so anyone on the way could change the file")


def _hub_url(text: str) -> str:
    parts = [part for part in text.removeprefix("hf://").split("/") if part]
    if len(parts) < 3 or ".." in parts:
        raise ConfigError(f"{text}: expected hf://owner/repo/file or hf://owner/repo@revision/file")
    owner, (repo, _, revision) = parts[0], parts[1].partition("@")
    file = "/".join(quote(part) for part in parts[2:])
    return f"{HUB}/{quote(owner)}/{quote(repo)}/resolve/{quote(revision or 'main')}/{file}"
