"""One HTML page that plays a folder's videos and shows its pictures; no script, no server."""

import dataclasses
import html
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from mocotool.errors import FileFormatError
from mocotool.files import atomic_path

VIDEO_ENDINGS = frozenset({".mp4", ".webm"})
PICTURE_ENDINGS = frozenset({".png", ".apng", ".gif", ".jpg", ".jpeg", ".webp"})

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1d1d1f; --paper: #fafaf8; --faint: #6e6e73;
  --card: #ffffff; --line: #e3e3de; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #ececec; --paper: #17181a;
  --faint: #a0a0a6; --card: #212326; --line: #34363a; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.7rem; margin: 0 0 .3rem; }}
h2 {{ font-size: 1.15rem; margin: 2.4rem 0 .2rem; }}
p {{ margin: .2rem 0 .8rem; color: var(--faint); max-width: 46rem; }}
pre {{ margin: .2rem 0 .8rem; padding: .5rem .7rem; white-space: pre-wrap;
  overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; font-size: .85rem; }}
pre span {{ white-space: nowrap; }}
pre.printed {{ border-style: dashed; background: none; }}
.row {{ display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }}
.alone {{ display: block; }}
figure {{ margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; overflow: hidden; }}
video, img {{ display: block; width: 100%; height: auto; }}
.alone figure {{ width: fit-content; max-width: 100%; }}
.alone img, .alone video {{ width: auto; max-width: 100%;
  min-width: min(24rem, 100vw - 2rem - 2px); }}
figcaption {{ padding: .35rem .6rem; font-size: .8rem; color: var(--faint);
  overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{title}</h1>
{intro}{sections}</body>
</html>
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Results that belong together."""

    title: str
    files: tuple[Path, ...]
    text: str = ""
    """What there is to see."""
    commands: tuple[str, ...] = ()
    """How they were made, as it could be typed."""
    printed: str = ""
    """What the commands said."""
    captions: tuple[str, ...] = ()
    """One for each file; their names if empty."""


def collect_sections(folder: Path) -> list[Section]:
    """Group a folder's videos and pictures by name: walk-0.mp4 and walk-1.mp4 are one section.

    Args:
        folder: Searched with the folders in it; hidden ones are passed over.

    Returns:
        Sections in the order of their names.

    Raises:
        FileFormatError: The folder is missing, or holds nothing a browser can show.
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
    body = "".join(_draw_section(section, out.parent) for section in sections)
    lead = f"<p>{html.escape(intro)}</p>\n" if intro else ""
    page = PAGE.format(title=html.escape(title), intro=lead, sections=body)
    with atomic_path(out) as part:
        # Names that are not text show question marks; links to them work all the same.
        part.write_text(page, encoding="utf-8", errors="replace")


def _draw_section(section: Section, base: Path) -> str:
    captions: tuple[str, ...] = section.captions
    if not captions:
        alone = len(section.files) == 1
        captions = ("",) if alone else tuple(path.name for path in section.files)
    figures = "".join(
        _draw_figure(path, base, caption)
        for path, caption in zip(section.files, captions, strict=True)
    )
    text = f"<p>{html.escape(section.text)}</p>\n" if section.text else ""
    commands = "\n".join(_draw_command(command) for command in section.commands)
    typed = f"<pre>{commands}</pre>\n" if commands else ""
    said = f'<pre class="printed">{html.escape(section.printed)}</pre>\n' if section.printed else ""
    row = "row alone" if len(section.files) == 1 else "row"
    shown = f'<div class="{row}">\n{figures}</div>\n' if figures else ""
    return (
        f"<section>\n<h2>{html.escape(section.title)}</h2>\n{text}{typed}{said}{shown}</section>\n"
    )


def _draw_command(command: str) -> str:
    """Keep words whole: browsers would break lines after the hyphens of options."""
    return " ".join(f"<span>{html.escape(word)}</span>" for word in command.split(" "))


def _draw_figure(path: Path, base: Path, caption: str) -> str:
    relative = os.path.relpath(path, base).replace(os.sep, "/")
    address = quote(os.fsencode(relative))
    name = html.escape(path.name)
    if path.suffix.lower() in VIDEO_ENDINGS:
        shown = (
            f'<video src="{address}" aria-label="{name}" autoplay loop muted playsinline controls>'
            "</video>"
        )
    else:
        shown = f'<a href="{address}"><img src="{address}" alt="{name}" loading="lazy"></a>'
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{shown}{below}</figure>\n"
