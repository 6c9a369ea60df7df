"""Changes to files that know how the files are built: sizes, counts, names and numbers go wrong.

All are pure functions of the bytes and a random stream, so a seed and an index give the file again.
"""

import io
import re
import struct
import warnings
import zipfile

WORDS = (
    b"-1", b"0", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b'"\\u0000"',
    b"99999999999999999999", b"[[[[[[[[[[", b'""', b"2147483647", b"-0.0",
)  # fmt: skip
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LAYOUTS = ("<H", ">H", "<I", ">I", "<Q", ">Q")


def flip(data, rng):
    """One bit."""
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def scatter(data, rng):
    """Twenty bytes, half of the time near one of the ends, where headers and directories are."""
    changed = bytearray(data)
    for _ in range(20):
        place = rng.randrange(len(data))
        near = rng.choice((place, place % 600, len(data) - 1 - place % 600))
        changed[near % len(data)] = rng.randrange(256)
    return bytes(changed)


def cut(data, rng):
    """The end is missing."""
    return data[: rng.randrange(1, max(2, len(data)))]


def drop(data, rng):
    """Some bytes in the middle are missing."""
    place = rng.randrange(len(data))
    return data[:place] + data[place + rng.randrange(1, 64) :]


def repeat(data, rng):
    """A part comes twice, or many times."""
    place, size = rng.randrange(len(data)), rng.randrange(1, 400)
    return data[:place] + data[place : place + size] * rng.choice((2, 3, 50)) + data[place:]


def set_number(data, rng):
    """A number of two to eight bytes becomes an awkward one."""
    layout = rng.choice(LAYOUTS)
    size = struct.calcsize(layout)
    place = rng.choice((rng.randrange(len(data)), rng.randrange(min(600, len(data)))))
    number = struct.pack(layout, rng.choice(NUMBERS) & (1 << 8 * size) - 1)
    return data[:place] + number + data[place + size :]


def set_word(data, rng):
    """A number or a text in JSON, TOML or a header becomes another word."""
    found = list(re.finditer(rb'-?\d[\d.e+-]*|"[^"\n]{0,60}"|true|false|null', data[:40_000]))
    if not found:
        return flip(data, rng)
    place = rng.choice(found)
    return data[: place.start()] + rng.choice(WORDS) + data[place.end() :]


def mutate_member(data, rng):
    """Change what lies inside a zip, so that all checksums fit."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
    except Exception:
        return set_number(data, rng)
    chosen = rng.randrange(len(members))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, (info, content) in enumerate(members):
            changed = rng.choice(PLAIN)(content, rng) if index == chosen and content else content
            method = rng.choice((0, 0, 0, 8)) if index == chosen else info.compress_type
            for _ in range(rng.choice((0, 1, 1, 1, 2)) if index == chosen else 1):
                archive.writestr(info.filename, changed, method)
    return written.getvalue()


PLAIN = (flip, scatter, cut, drop, repeat, set_number, set_number, set_word)
MUTATIONS = (*PLAIN, mutate_member, mutate_member)


def mutate(data, rng):
    """Change a file in one to three ways."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        if data:
            data = rng.choice(MUTATIONS)(data, rng)
    return data
