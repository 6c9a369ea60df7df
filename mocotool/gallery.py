"""One HTML page with all videos and pictures of a folder; no script, no server."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mocotool.errors import FileFormatError
from mocotool.files import atomic_path

VIDEO_ENDINGS = frozenset({".mp4", ".webm"})
PICTURE_ENDINGS = frozenset({".png", ".apng", ".gif", ".jpg", ".jpeg", ".webp"})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A group of results."""

    title: str
    files: tuple[Path, ...]
    text: str = ""
    """Description."""
    commands: tuple[str, ...] = ()
    """The commands that made them."""
    printed: str = ""
    """Output of the commands."""
    captions: tuple[str, ...] = ()
    """One for each file; their names if empty."""


def collect_sections(folder: Path) -> list[Section]:
    """Group a folder's videos and pictures by name: walk-0.mp4 and walk-1.mp4 are one section.

    Args:
        folder: Searched with its subfolders; hidden ones are skipped.

    Returns:
        Sections in the order of their names.

    Raises:
        FileFormatError: The folder is missing, or has no file that a browser can show.
    """
    if not folder.is_dir():
        raise FileFormatError(f"{folder}: no such folder", hint="check the path of the results")
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*"), key=_order_naturally):
        relative = path.relative_to(folder)
        shown = path.suffix.lower() in VIDEO_ENDINGS | PICTURE_ENDINGS and path.is_file()
        if shown and not any(part.startswith(".") for part in relative.parts):
            name = re.sub(r"[-_. ]?\d+$", "", relative.with_suffix("").as_posix()).rstrip("/")
            groups.setdefault(name, []).append(path)
    if not groups:
        raise FileFormatError(
            f"{folder}: nothing to show, expected .mp4, .webm, .gif, .apng, .png or .jpg files",
            hint="moco sample --num-videos 4 -o people.mp4",
        )
    here = folder.resolve().name
    return [Section(title=name or here, files=tuple(files)) for name, files in groups.items()]


def _order_naturally(path: Path) -> list[tuple[int, str]]:
    """Put walk-2 before walk-10."""
    parts = re.split(r"([0-9]+)", path.as_posix())
    return [(int(part) if idx % 2 else 0, part) for idx, part in enumerate(parts)]


def write_gallery(out: Path, sections: Sequence[Section], *, title: str, intro: str = "") -> None:
    """Write a page that shows sections; their files are linked, not copied.

    Args:
        out: The page; files are named relative to its folder.
        sections: What to show, in this order.
        title: Heading of the page.
        intro: A paragraph under it.
    """
    page = load_template("gallery.html").render(
        title=title, intro=intro, sections=[_lay_out(section, out.parent) for section in sections]
    )
    with atomic_path(out) as part:
        # Names that are not text show question marks; links to them work all the same.
        part.write_text(page, encoding="utf-8", errors="replace")


def load_template(name: str) -> Any:
    """Return a page's template, which escapes whatever it is filled with."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mocotool"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name)


def _lay_out(section: Section, base: Path) -> dict[str, Any]:
    """Return what the template shows of a section."""
    captions: tuple[str, ...] = section.captions
    if not captions:
        alone = len(section.files) == 1
        captions = ("",) if alone else tuple(path.name for path in section.files)
    return {
        "title": section.title,
        "text": section.text,
        "commands": section.commands,
        "printed": section.printed,
        "figures": [
            {
                "address": _address(path, base),
                "name": path.name,
                "caption": caption,
                "is_video": path.suffix.lower() in VIDEO_ENDINGS,
            }
            for path, caption in zip(section.files, captions, strict=True)
        ],
    }


def _address(path: Path, base: Path) -> str:
    relative = os.path.relpath(path, base).replace(os.sep, "/")
    return quote(os.fsencode(relative))
