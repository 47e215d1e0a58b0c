"""A compiled file whose header lies, its checksum mended: it is refused, or its answers are right."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator
from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from batches import compiled_in_steps
from lamina.runtime import file_format
from lamina.runtime.errors import LaminaError
from lamina.runtime.executable import from_bytes
from lamina.runtime.file_format import to_bytes
from lamina.runtime.image import SUPPORT_VERSION
from lamina.verification.isolation import Crash, run_isolated
from onnx import TensorProto, helper, numpy_helper

CASES = int(os.environ.get("LAMINA_FUZZ", "200"))
X = np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32)

# What says only how something is called, what it is for, or how fast it is.
NAMES = ("metadata", "work", "target", "message", "name")
Path = tuple[Any, ...]


@pytest.fixture(scope="module", params=[(5, 0), ("N", 0), ("N", 2)], ids=["fixed", "free", "in steps"])
def content(request: pytest.FixtureRequest) -> bytes:
    """A file with kernels of several kinds, buffers that share the arena, packed constants and a step on the host.

    In one of them, the rows go through most kernels a few at a time.
    """
    rows, step = request.param
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((16, 24)), "v": rng.standard_normal((24, 8)), "b": rng.standard_normal(8)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Softmax", ["a"], ["s"]),
        helper.make_node("MatMul", ["s", "v"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["t"]),
        helper.make_node("Relu", ["t"], ["r"]),
        helper.make_node("ReduceSum", ["r"], ["y"], keepdims=1),
        helper.make_node("NonZero", ["r"], ["z"]),
    ]
    outputs = [("y", TensorProto.FLOAT, [1, 1]), ("z", TensorProto.INT64, [2, "K"]), ("t", TensorProto.FLOAT, None)]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 16])],
        [helper.make_tensor_value_info(*output) for output in outputs],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if step:
        return to_bytes(compiled_in_steps(model, step, threads=2))
    return to_bytes(lamina.compile(onnx.ModelProto.FromString(model.SerializeToString()), threads=2))


def header_of(content: bytes) -> dict[str, Any]:
    size = file_format._PREAMBLE.unpack(content[: file_format._PREAMBLE.size])[3]
    return json.loads(content[file_format._HEADER_OFFSET : file_format._HEADER_OFFSET + size])


def with_header(content: bytes, header: dict[str, Any]) -> bytes:
    """The file with another header, and all that is said of its size and checksum mended."""
    _, _, _, _, code_offset, code_size, constants_offset, constants_size, _ = file_format._PREAMBLE.unpack(
        content[: file_format._PREAMBLE.size]
    )
    code = content[code_offset : code_offset + code_size]
    constants = content[constants_offset : constants_offset + constants_size]
    text = json.dumps(header).encode()
    new_code = -(-(file_format._HEADER_OFFSET + len(text)) // 4096) * 4096
    new_constants = -(-(new_code + code_size) // 4096) * 4096
    preamble = file_format._PREAMBLE.pack(
        file_format.MAGIC, file_format.FILE_VERSION, 0, len(text), new_code, code_size, new_constants, constants_size,
        new_constants + constants_size,
    )  # fmt: skip
    start = preamble + file_format._digest(preamble, text, code) + text
    return start.ljust(new_code, b"\0") + code + bytes(new_constants - new_code - code_size) + constants


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where every number, text and entry of a list lies."""
    yield path
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key))


def lies(header: dict[str, Any], rng: random.Random) -> tuple[dict[str, Any], str]:
    """The header with one thing changed, and what."""
    header = copy.deepcopy(header)
    paths = [path for path in leaves(header) if path and not any(key in NAMES for key in path)]
    *parents, key = rng.choice(paths)
    parent = header
    for step in parents:
        parent = parent[step]
    old = parent[key]
    other = rng.choice([path for path in paths if type(at(header, path)) is type(old)])
    match old:
        case bool():
            parent[key] = not old
        case int():
            parent[key] = rng.choice([0, 1, -1, old + 1, old - 1, old * 2, old // 2, old + 64, old - 64, 1 << 40])
        case str():
            parent[key] = at(header, other)
        case list() if old and rng.random() < 0.7:
            old.pop(rng.randrange(len(old)))
        case _:
            parent[key] = copy.deepcopy(at(header, other))
    return header, f"{[*parents, key]}: {str(old)[:60]} -> {str(parent[key])[:60]}"


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def test_the_mended_file_is_as_good(content: bytes) -> None:
    right = from_bytes(content).run({"x": X})
    again = from_bytes(with_header(content, header_of(content))).run({"x": X})
    assert all(right[name].tobytes() == again[name].tobytes() for name in right)
    assert header_of(content)["driver_version"] == SUPPORT_VERSION


def outcome(content: bytes) -> dict[str, np.ndarray] | str:
    try:
        executable = from_bytes(content, threads=2)
        names = [info.name for info in executable.inputs]
        return executable.run(dict.fromkeys(names, X))
    except (LaminaError, MemoryError) as error:
        return str(error)


def test_a_lie_is_refused_or_does_no_harm(content: bytes) -> None:
    right = list(from_bytes(content).run({"x": X}).values())
    header = header_of(content)
    for seed in range(CASES):
        lying, what = lies(header, random.Random(seed))
        found = run_isolated(lambda announce, lying=lying: outcome(with_header(content, lying)), 60.0)
        assert not isinstance(found, Crash), f"{seed}: {what}: {found}"
        # Which values a step of the plan is given, and what it does on the host, is another model, and no lie.
        if isinstance(found, str) or what.startswith("['program', 'body'"):
            continue
        for result in found.values():
            same = any(result.dtype == array.dtype and np.array_equal(result, array) for array in right)
            assert same, f"{seed}: {what}"
