"""Files that are written: whole or not at all, under names that nobody can guess."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest
from lamina.runtime import files
from lamina.runtime.files import replaced_file


def test_a_link_that_was_planted_is_not_followed(tmp_path: Path) -> None:
    """Nor can it be planted: the name is another each time, and the file is made by whoever writes."""
    names = set()
    for _ in range(2):
        with replaced_file(tmp_path / "out.mlir") as partial:
            names.add(partial.name)
            assert not partial.is_symlink() and partial.stat().st_nlink == 1
            partial.write_text("text")
    assert len(names) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.mlir"]


def test_the_mode_is_that_of_any_file_or_stays(tmp_path: Path) -> None:
    usual, destination = tmp_path / "usual", tmp_path / "out"
    usual.touch()
    for mode in (usual.stat().st_mode, 0o100640):
        with replaced_file(destination) as partial:
            partial.write_text("text")
        assert destination.stat().st_mode == mode
        destination.chmod(0o640)


def test_errors_name_the_file(tmp_path: Path) -> None:
    def fail(name: str | None) -> None:
        with replaced_file(tmp_path / "out") as partial:
            raise OSError(errno.ENOSPC, "No space left on device", *([str(partial)] if name else []))

    for name in (None, "partial"):
        with pytest.raises(OSError, match=r"No space left on device: '.*out'") as caught:
            fail(name)
        assert caught.value.filename == str(tmp_path / "out")
    with pytest.raises(OSError, match="other"), replaced_file(tmp_path / "out"):
        raise OSError(errno.ENOENT, "No such file", "other")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    abandoned, young, used, other = (tmp_path / f".{name}.x.partial" for name in ("out.1", "out.2", "out.3", "another"))
    for path in (abandoned, young, used, other):
        path.touch()
        old = time.time() - 2 * files.YOUNG_SECONDS
        if path is not young:
            os.utime(path, (old, old))
    with used.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        with replaced_file(tmp_path / "out") as partial:
            partial.write_text("text")
    assert {path.name for path in tmp_path.iterdir()} == {"out", young.name, used.name, other.name}
