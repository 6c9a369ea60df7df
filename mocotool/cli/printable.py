"""Text that a terminal shows and does not obey."""

import unicodedata

KEPT = frozenset("\n\t")
# Control characters, those that turn the direction of writing, and bytes that are no text.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""Return `text` with what a terminal would obey written out: "\x1b[2J"."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in KEPT or unicodedata.category(char) not in UNSEEN else ascii(char)[1:-1]
        for char in text
    )
