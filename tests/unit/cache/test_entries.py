"""Files of the cache: whole or absent, bounded, whatever happens to their writers."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lamina.cache import entries, objects


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("LAMINA_CACHE", raising=False)
    monkeypatch.delenv("LAMINA_CACHE_LIMIT", raising=False)
    monkeypatch.setattr(entries, "_uncounted_bytes", [])
    return tmp_path / "cache"


def keep(name: str, size: int) -> bool:
    return entries.publish("objects", name, lambda stream: stream.write(bytes(size)) and None, size)


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_entries_appear_whole(root: Path) -> None:
    seen: list[list[str]] = []

    def write(stream) -> None:
        stream.write(b"half")
        stream.flush()
        seen.append([entry.path.name for entry in entries.entries()])

    assert entries.publish("objects", "a.o", write)
    assert seen == [[]]
    assert files(root) == ["a.o"]
    path = entries.find("objects", "a.o")
    assert path is not None and path.read_bytes() == b"half"


def test_a_writer_that_fails_leaves_nothing(root: Path) -> None:
    def fail(stream) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        entries.publish("objects", "a.o", fail)
    assert files(root) == []


def test_a_full_disk_leaves_nothing(root: Path) -> None:
    """A limit on the size of files ends a write as a full disk does: some bytes are written, then it fails."""
    assert keep("small.o", 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        assert not keep("large.o", 1 << 20)
        assert objects.load("large") is None
        objects.store("large", bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(root) == ["small.o"]


def test_no_space_at_all(root: Path, monkeypatch) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        assert not entries.publish("objects", "a.o", lambda stream: full.write(b"x") and None)
    assert files(root) == []


def test_a_folder_that_can_only_be_read_is_still_read(root: Path, monkeypatch) -> None:
    """Such as one that comes with a container's image."""
    assert keep("a.o", 10)
    objects.store("key", b"code")

    def refuse(*_arguments, **_options):
        raise PermissionError("read-only file system")

    # The permissions of a folder do not stop the superuser, as whom tests may run.
    for name in ("utime", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(entries, "open", refuse, raising=False)
    assert entries.find("objects", "a.o") is not None
    assert objects.load("key") == b"code"
    objects.store("other", b"code")
    assert objects.load("other") is None
    entries.trim()


def test_a_killed_writer_leaves_what_is_removed_later(root: Path) -> None:
    script = """
import os, signal
from lamina.cache import entries
def write(stream):
    stream.write(bytes(100_000))
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
entries.publish("objects", "a.o", write)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60)
    assert done.returncode == -signal.SIGKILL
    left = files(root)
    assert len(left) == 1 and left[0].startswith(entries.TEMPORARY_PREFIX)
    assert entries.find("objects", "a.o") is None and entries.entries() == []
    # It could be a writer at work: only age tells.
    entries.trim()
    assert files(root) == left
    os.utime(root / "objects" / left[0], (0, time.time() - entries.STALE_SECONDS - 1))
    keep("b.o", 10)
    assert files(root) == ["b.o"]


def test_the_cache_is_bounded_and_the_oldest_go_first(root: Path, monkeypatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_LIMIT", "1000")
    for number in range(10):
        assert keep(f"{number}.o", 100)
        os.utime(root / "objects" / f"{number}.o", (number, number))
    assert len(entries.entries()) == 10
    first = entries.find("objects", "0.o")
    assert first is not None
    entries.mark_used(first)
    assert keep("10.o", 100)
    assert [entry.path.name for entry in entries.entries()] == ["5.o", "6.o", "7.o", "8.o", "9.o", "0.o", "10.o"]
    assert not keep("too_large.o", 1001)


def test_both_kinds_share_the_limit(root: Path, monkeypatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_LIMIT", "1000")
    assert entries.publish("models", "m.lamina", lambda stream: stream.write(bytes(900)) and None)
    os.utime(root / "models" / "m.lamina", (1, 1))
    assert keep("a.o", 200)
    assert files(root) == ["a.o"]


def test_a_file_in_use_stays_valid(root: Path) -> None:
    assert keep("a.o", 100)
    path = entries.find("objects", "a.o")
    assert path is not None
    with path.open("rb") as stream:
        assert entries.clear() == (1, 100)
        assert files(root) == []
        assert stream.read() == bytes(100)


def test_files_of_others_are_left_alone(root: Path, monkeypatch) -> None:
    keep("a.o", 10)
    (root / "objects" / "README").write_text("mine")
    (root / "note.txt").write_text("mine")
    monkeypatch.setenv("LAMINA_CACHE_LIMIT", "0")
    entries.trim()
    entries.clear()
    assert files(root) == ["README", "note.txt"]


def test_many_processes_at_once(root: Path) -> None:
    """Each writes the same entries and reads what it finds, while the limit makes entries go."""
    script = """
from lamina.cache import objects
for number in range(60):
    key = str(number % 12)
    data = key.encode() * 1000
    found = objects.load(key)
    assert found is None or found == data
    objects.store(key, data)
"""
    environment = {**os.environ, "LAMINA_CACHE_LIMIT": "8000"}
    workers = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(6)]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 6
    assert not [name for name in files(root) if name.startswith(entries.TEMPORARY_PREFIX)]
    assert sum(entry.size for entry in entries.entries()) <= 8000 * 1.5
