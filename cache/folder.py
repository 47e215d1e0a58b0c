"""Where the cache lies, what of it is on, and how much it may take.

``LAMINA_CACHE``        ``on`` (default), ``objects`` (the code of kernels only), or ``off``
``LAMINA_CACHE_DIR``    the folder; by default `lamina` in the user's cache folder
``LAMINA_CACHE_LIMIT``  bytes, or with a unit: ``500MB``, ``2GiB``; by default 4 GiB
"""

from __future__ import annotations

import functools
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Literal

EntryKind = Literal["models", "objects"]
KINDS: tuple[EntryKind, ...] = ("models", "objects")

DEFAULT_LIMIT_BYTES = 4 << 30

_OFF = ("off", "0", "no", "false")
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_UNITS |= {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


def is_on(kind: EntryKind) -> bool:
    """Whether entries of this kind are kept."""
    wanted = os.environ.get("LAMINA_CACHE", "").strip().lower()
    if wanted in _OFF:
        return False
    return wanted != "objects" or kind == "objects"


def limit_bytes() -> int:
    """What all entries together may take. Raises ValueError for a limit that is no size."""
    text = os.environ.get("LAMINA_CACHE_LIMIT", "").strip()
    return parse_size(text) if text else DEFAULT_LIMIT_BYTES


def effective_limit_bytes() -> int:
    """The same, where a limit that is no size counts as none given: `lamina cache` tells of the mistake."""
    try:
        return limit_bytes()
    except ValueError:
        return DEFAULT_LIMIT_BYTES


def parse_size(text: str) -> int:
    """``2GiB`` -> 2147483648. Raises ValueError that quotes a text not understood."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"'{text}' is no size: expected bytes, or a number with a unit such as 500MB or 2GiB")
    return int(float(match[1]) * _UNITS[match[2]])


def root_folder() -> Path | None:
    """The folder of the whole cache, which need not exist; `None` where the user has no place for one."""
    given = os.environ.get("LAMINA_CACHE_DIR")
    if given:
        return Path(given).absolute()
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("lamina"))
    except (OSError, RuntimeError, KeyError):
        return None
    # A user without a home directory would get a folder called '~' in the current one.
    return folder if folder.is_absolute() else None


def readable_folder(kind: EntryKind) -> Path | None:
    """The folder of the entries of this kind, where it is on, exists and may be trusted."""
    root = root_folder() if is_on(kind) else None
    if root is None:
        return None
    folder = root / kind
    return folder if _is_trusted(root, folder) else None


def writable_folder(kind: EntryKind) -> Path | None:
    """The same, made if absent. Others than the user can neither read nor write it."""
    root = root_folder() if is_on(kind) else None
    if root is None:
        return None
    folder = root / kind
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return folder if _is_trusted(root, folder) else None


def _is_trusted(root: Path, folder: Path) -> bool:
    """Whether nobody else can have put entries into the folder. Warns, once, where somebody can have."""
    for place in (root, folder):
        reason = obstacle(place)
        if reason is not None:
            if os.path.lexists(place):
                _warn(place, reason)
            return False
    return True


@functools.cache
def _warn(place: Path, reason: str) -> None:
    warnings.warn(f"the cache in '{place}' is not used: {reason}", RuntimeWarning, stacklevel=2)


def obstacle(folder: Path) -> str | None:
    """Why entries in this folder are not used, or `None`. They are native code: nobody else may have written them."""
    try:
        link, status = folder.lstat(), folder.stat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if status.st_uid != os.geteuid():
        return "it belongs to another user, who could have put any code into it"
    if link.st_uid not in (os.geteuid(), 0):
        return "it is a link of another user, who could have led it to any code"
    if status.st_mode & stat.S_IWOTH:
        return "every user may write to it, so that any code could be in it"
    if status.st_mode & stat.S_IWGRP:
        return "its group may write to it, so that any code could be in it; `chmod g-w` makes it yours alone"
    return None


def not_writable(folder: Path) -> str | None:
    """Why nothing can be put into a folder that exists, or `None`."""
    if not folder.is_dir():
        return f"'{folder}' is no folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"'{folder}' cannot be written to"
