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
pre {{ margin: .2rem 0 .8rem; padding: .5rem .7rem; overflow-x: auto; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; font-size: .85rem; }}
.row {{ display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }}
.row.wide {{ grid-template-columns: 1fr; }}
figure {{ margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; overflow: hidden; }}
video, img {{ display: block; width: 100%; height: auto; }}
.wide img, .wide video {{ max-width: 100%; width: auto; min-width: min(100%, 24rem);
  margin: 0 auto; }}
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


def collect_sections(folder: Path) -> list[Section]:
    """Group a folder's videos and pictures by name: walk-0000.mp4 and walk-0001.mp4 are one section.

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
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        shown = path.suffix.lower() in VIDEO_ENDINGS | PICTURE_ENDINGS
        if shown and not any(part.startswith(".") for part in relative.parts):
            name = re.sub(r"[-_]?\d+$", "", relative.with_suffix("").as_posix())
            groups.setdefault(name or relative.stem, []).append(path)
    if not groups:
        raise FileFormatError(
            f"{folder}: nothing to show, expected .mp4, .webm, .gif, .apng, .png or .jpg files",
            hint="moco sample --num-videos 4 -o people.mp4",
        )
    return [Section(title=name, files=tuple(files)) for name, files in groups.items()]


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
        part.write_text(page, encoding="utf-8")


def _draw_section(section: Section, base: Path) -> str:
    figures = "".join(_draw_figure(path, base, len(section.files)) for path in section.files)
    text = f"<p>{html.escape(section.text)}</p>\n" if section.text else ""
    commands = html.escape("\n".join(section.commands))
    typed = f"<pre>{commands}</pre>\n" if commands else ""
    wide = " wide" if len(section.files) == 1 else ""
    return (
        f"<section>\n<h2>{html.escape(section.title)}</h2>\n{text}{typed}"
        f'<div class="row{wide}">\n{figures}</div>\n</section>\n'
    )


def _draw_figure(path: Path, base: Path, num_files: int) -> str:
    address = quote(os.path.relpath(path, base).replace(os.sep, "/"))
    name = html.escape(path.name)
    if path.suffix.lower() in VIDEO_ENDINGS:
        shown = f'<video src="{address}" autoplay loop muted playsinline></video>'
    else:
        shown = f'<img src="{address}" alt="{name}" loading="lazy">'
    caption = f"<figcaption>{name}</figcaption>" if num_files > 1 else ""
    return f"<figure>{shown}{caption}</figure>\n"
