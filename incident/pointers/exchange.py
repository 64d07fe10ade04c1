"""Exchanging two files of one folder in one step, so that a reader always finds one of them.

Unlike a plain rename it destroys nothing: what was under the name is still there under the other one, and can be looked at.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""
_HERE = -100
"""AT_FDCWD."""
UNABLE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})
"""What a kernel or file system answers that cannot do it."""


def exchange(one: Path, other: Path) -> None:
    """Both must exist. Raises OSError, and then nothing changed; its ``errno`` is in ``UNABLE`` where this is not possible here."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))
