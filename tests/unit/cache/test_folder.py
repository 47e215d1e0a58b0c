"""Where the cache lies, and how much it may take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lamina.cache import entries, folder


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("LAMINA_CACHE", raising=False)
    monkeypatch.delenv("LAMINA_CACHE_LIMIT", raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("2GiB", 2 << 30), ("500 MB", 500_000_000), ("1.5k", 1536), ("0", 0), ("4tib", 4 << 40)],
)
def test_sizes(text: str, size: int, monkeypatch) -> None:
    assert folder.parse_size(text) == size
    monkeypatch.setenv("LAMINA_CACHE_LIMIT", text)
    assert folder.limit_bytes() == folder.effective_limit_bytes() == size


@pytest.mark.parametrize("text", ["much", "-1", "1 PB", "GiB", "1,5GB"])
def test_limits_that_are_no_sizes_are_told_but_stop_nothing(text: str, monkeypatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_LIMIT", text)
    with pytest.raises(ValueError, match="is no size: expected bytes"):
        folder.limit_bytes()
    assert folder.effective_limit_bytes() == folder.DEFAULT_LIMIT_BYTES


@pytest.mark.parametrize(("word", "on"), [("", (True, True)), ("objects", (False, True)), ("OFF", (False, False))])
def test_what_is_on(word: str, on: tuple[bool, bool], monkeypatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", word)
    assert tuple(folder.is_on(kind) for kind in folder.KINDS) == on


def test_folders_are_made_for_the_user_alone(root: Path) -> None:
    assert folder.readable_folder("models") is None
    made = folder.writable_folder("models")
    assert made == root / "models"
    assert made.stat().st_mode & 0o077 == 0
    assert folder.readable_folder("models") == made


def test_a_folder_that_others_could_have_filled_is_not_used(root: Path, monkeypatch) -> None:
    made = folder.writable_folder("models")
    assert made is not None
    made.chmod(0o777)
    assert folder.readable_folder("models") is folder.writable_folder("models") is None
    assert "every user may write to it" in str(folder.obstacle(made))
    made.chmod(0o700)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert folder.readable_folder("models") is None
    assert "belongs to another user" in str(folder.obstacle(made))


@pytest.mark.parametrize("place", [".", "models"])
def test_a_folder_of_a_group_is_not_used_and_that_is_said(root: Path, place: str) -> None:
    assert folder.writable_folder("models") is not None
    (root / place).chmod(0o770)
    with pytest.warns(RuntimeWarning, match=r"is not used: its group may write to it.*chmod g-w"):
        assert folder.readable_folder("models") is folder.writable_folder("models") is None
    (root / place).chmod(0o750)
    assert folder.readable_folder("models") is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make links of other users")
def test_a_link_of_another_user_is_not_used(root: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    root.mkdir(mode=0o700)
    (root / "models").symlink_to(mine)
    assert folder.readable_folder("models") is not None
    os.lchown(root / "models", 12345, 12345)
    with pytest.warns(RuntimeWarning, match="a link of another user"):
        assert folder.readable_folder("models") is None


def test_a_file_in_the_place_of_a_folder(root: Path) -> None:
    root.mkdir()
    (root / "models").write_text("")
    assert folder.readable_folder("models") is folder.writable_folder("models") is None


def test_a_user_without_a_home_has_no_cache(tmp_path) -> None:
    """In particular no folder called '~' appears."""
    code = """
import pwd
def nobody(uid): raise KeyError(uid)
pwd.getpwuid = nobody
from lamina.cache import entries, folder
assert folder.root_folder() is None
assert entries.find("models", "x") is None and not entries.publish("models", "x", lambda stream: None)
assert entries.entries() == []
"""
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "LAMINA_CACHE_DIR")}
    environment = {key: value for key, value in environment.items() if not key.startswith("XDG_")}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_where_the_cache_is_off(root: Path, monkeypatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "off")
    assert not entries.publish("objects", "x.o", lambda stream: None)
    assert not root.exists()
