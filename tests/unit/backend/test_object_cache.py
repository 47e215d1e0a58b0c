"""Object code within a process and between processes."""

from __future__ import annotations

import pytest
from lamina.backend import compile_image as unit
from lamina.backend.object_cache import MEMORY, load_object, object_key, store_object
from lamina.context import CompilerContext
from lamina.lowering.loops_to_llvm import lower_module
from lamina.machines import TARGETS
from xdsl.parser import Parser

TEXT = "define void @f() { ret void }"
OBJECT = b"\x7fELF and more"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("LAMINA_CACHE", raising=False)
    MEMORY.clear()
    yield tmp_path / "objects"
    MEMORY.clear()


def test_what_is_stored_is_found_here_and_by_others(folder):
    assert load_object("key") is None
    store_object("key", OBJECT)
    assert load_object("key") == OBJECT
    MEMORY.clear()
    assert load_object("key") == OBJECT
    (folder / "key.o").unlink()
    assert load_object("key") == OBJECT


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE", "off")
    monkeypatch.setattr(MEMORY, "_limit", 3 * len(OBJECT))
    for key in "abc":
        store_object(key, OBJECT)
    load_object("a")
    store_object("d", OBJECT)
    store_object("d", OBJECT)
    assert [key for key in "abcd" if load_object(key)] == ["a", "c", "d"]
    store_object("large", 4 * OBJECT)
    assert not [key for key in (*"abcd", "large") if load_object(key)]


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data[:-1] + b"!"])
def test_damaged_entries_are_not_believed(folder, damage):
    store_object("key", OBJECT)
    path = folder / "key.o"
    path.write_bytes(damage(path.read_bytes()))
    MEMORY.clear()
    assert load_object("key") is None
    assert not path.exists()


@pytest.mark.parametrize("word", ["off", "0", "OFF"])
def test_switched_off(word, monkeypatch):
    store_object("key", OBJECT)
    monkeypatch.setenv("LAMINA_CACHE", word)
    MEMORY.clear()
    assert load_object("key") is None


def test_a_folder_that_cannot_be_made_costs_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "file"))
    store_object("key", OBJECT)
    MEMORY.clear()
    assert load_object("key") is None


def test_the_key_tells_text_target_and_level_apart():
    keys = {object_key(TEXT, target, level) for target in TARGETS.values() for level in (0, 2)}
    assert len(keys) == 2 * len(TARGETS)
    assert object_key(TEXT + " ", TARGETS["avx2"], 2) not in keys


def kernels(names: str) -> str:
    return "".join(
        f"""
func.func @{name}(%x: memref<?xf32>, %thread: index, %threads: index) attributes {{lamina.kernel}} {{
  %c0 = arith.constant 0 : index
  %f = arith.constant {1.0 if name != "other" else 2.0} : f32
  memref.store %f, %x[%c0] : memref<?xf32>
  func.return
}}"""
        for name in names.split()
    )


def test_kernels_that_differ_in_name_share_an_object(monkeypatch):
    target = TARGETS["avx2"]
    module = lower_module(Parser(CompilerContext(target=target), kernels("one two other")).parse_module(), target)
    emitted: list[str] = []
    emit = unit.emit_object
    monkeypatch.setattr(unit, "emit_object", lambda text, *rest: emitted.append(text) or emit(text, *rest))
    image = unit.compile_image(module, target, support=False)
    assert image.symbols["one"] == image.symbols["two"] != image.symbols["other"]
    assert len(emitted) == 2
    assert unit.compile_image(module, target, support=False) == image
    assert len(emitted) == 2


def test_the_next_model_shares_kernels_without_a_disk(monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE", "off")
    target = TARGETS["avx2"]
    emitted: list[str] = []
    emit = unit.emit_object
    monkeypatch.setattr(unit, "emit_object", lambda text, *rest: emitted.append(text) or emit(text, *rest))
    for names, expected in (("one other", 2), ("another_name other", 2), ("one", 2)):
        module = lower_module(Parser(CompilerContext(target=target), kernels(names)).parse_module(), target)
        unit.compile_image(module, target, support=False)
        assert len(emitted) == expected
