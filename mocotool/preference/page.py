"""A page that asks which of two sides is preferred, blind; it opens from disk and sends nothing."""

import shutil
from pathlib import Path
from typing import Any

from mocotool.files import atomic_path, make_folder
from mocotool.gallery import VIDEO_ENDINGS, load_template
from mocotool.preference.study import SCHEMA, Study

MEDIA_FOLDER = "media"


def write_page(study: Study, folder: Path | str) -> Path:
    """Write the page of a study, with copies of what it shows under names that say nothing.

    Args:
        study: What is asked.
        folder: Where to; made if need be.

    Returns:
        The page, folder/index.html.
    """
    folder = Path(folder)
    media = folder / MEDIA_FOLDER
    make_folder(media)
    addresses: dict[tuple[int, int], str] = {}
    for side, video in sorted(_list_used(study)):
        source = study.files[side][video]
        target = media / f"{len(addresses):05d}{source.suffix.lower()}"
        with atomic_path(target) as part:
            shutil.copyfile(source, part)
        addresses[side, video] = f"{MEDIA_FOLDER}/{target.name}"

    page = folder / "index.html"
    text = load_template("compare.html").render(
        question=study.question, study=_lay_out(study, addresses)
    )
    with atomic_path(page) as part:
        part.write_text(text, encoding="utf-8")
    return page


def _list_used(study: Study) -> set[tuple[int, int]]:
    """Return side and number of every video that is shown."""
    return {
        (side, video)
        for trial in study.trials
        for side, videos in zip(trial.sides, trial.videos, strict=True)
        for video in videos
    }


def _lay_out(study: Study, addresses: dict[tuple[int, int], str]) -> dict[str, Any]:
    """Return what the page's program reads."""
    return {
        "schema": SCHEMA,
        "study": study.mark,
        "question": study.question,
        "sides": list(study.names),
        "trials": [
            {
                "sides": list(trial.sides),
                "shown": [
                    [
                        {
                            "address": addresses[side, video],
                            "is_video": study.files[side][video].suffix.lower() in VIDEO_ENDINGS,
                        }
                        for video in videos
                    ]
                    for side, videos in zip(trial.sides, trial.videos, strict=True)
                ],
            }
            for trial in study.trials
        ],
    }
