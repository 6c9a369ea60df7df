"""User errors for exhausted memory or disk space, and for impossible file names.

They occur anywhere, as exceptions of Python, NumPy and PyTorch, and are not bugs.
"""

import errno
import re
from collections.abc import Sequence

from mocotool.errors import ConfigError, MocoError, UnavailableError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
IMPOSSIBLE_NAMES = (errno.ENAMETOOLONG, errno.ELOOP)
SHOWN_LETTERS = 60  # of a name that is too long
# The same words as in `mocotool.devices`, which loads torch.
OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|ALLOC_FAILED", re.IGNORECASE)
AMOUNT = re.compile(r"allocate ([\d.]+) ?([KMGTP]?i?B|bytes)")
LEAN_OPTIONS = ("--batch-size", "--chunk-size", "--memory-share", "--num-videos", "--num-frames")


def describe_shortage(error: Exception, options: Sequence[str]) -> MocoError | None:
    """Return a user error if memory, disk space or a file name is the cause, else `None`.

    Args:
        error: The exception.
        options: The command's options; the hint names those that reduce the need.
    """
    if isinstance(error, OSError):
        if isinstance(error, PermissionError):
            return ConfigError(
                f"{error.filename or 'a file'}: no permission ({error.strerror})",
                hint="`ls -l` shows the permissions",
            )
        if error.errno in IMPOSSIBLE_NAMES:
            name = str(error.filename or "a file")
            name = name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}..."
            reason = str(error.strerror)
            return ConfigError(
                f"{name}: {reason[:1].lower()}{reason[1:]}", hint="choose another name"
            )
        if error.errno not in FULL_DISK:
            return None
        where = error.filename or "output"  # streams have no name
        return ConfigError(f"{where}: cannot be written: {error.strerror}", hint="free some space")
    if not isinstance(error, MemoryError) and not OUT_OF_MEMORY.search(str(error)):
        return None
    amount = AMOUNT.search(str(error))
    asked = f": {_to_text(amount)} more were asked for" if amount else ""
    lean = [name for name in LEAN_OPTIONS if name in options]
    hint = f"less is needed with a smaller {' or '.join(lean)}" if lean else None
    return UnavailableError(f"out of memory{asked}", hint=hint)


def _to_text(amount: re.Match[str]) -> str:
    number, unit = amount.groups()
    return f"{float(number) / 2**30:.1f} GiB" if unit == "bytes" else f"{float(number):g} {unit}"
