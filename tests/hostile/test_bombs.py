"""Small files that ask for much: each is refused, or compiled, in seconds and in little memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node, info = helper.make_node, helper.make_tensor_value_info

# Compiles files with little memory left for it; prints what becomes of each, and after how many seconds.
RUNNER = """
import json, pathlib, resource, signal, sys, time
import lamina, lamina.compiler
from lamina.frontend import converters
from lamina.errors import LaminaError
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), used + (2 << 30)))
results = {}
for path in map(pathlib.Path, sys.argv[1:]):
    begin = time.process_time()
    try:
        executable = lamina.compile(path, threads=1)
        outcome = "compiled"
        if not executable.inputs:
            executable.run({})
    except LaminaError as error:
        outcome = f"{type(error).__name__} {error}"[:3000]
    results[path.stem] = [outcome, time.process_time() - begin]
    print(json.dumps(results), flush=True)
"""
# Generous, to tell what ends from what does not: CPU seconds for one file, and seconds for all.
SECONDS_EACH, SECONDS = 30, 400


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto] | None = None,
    weights: dict[str, np.ndarray] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs or [], [helper.make_empty_tensor_value_info("y")], tensors)
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid("own", 1)] if functions else [])]
    return helper.make_model(graph, opset_imports=opsets, functions=functions or [], ir_version=9)


def nested_ifs(depth: int) -> onnx.ModelProto:
    condition = info("c", BOOL, [])
    body = helper.make_graph([node("Neg", ["x"], ["r"])], "b", [], [helper.make_empty_tensor_value_info("r")])
    for _ in range(depth):
        inner = node("If", ["c"], ["r"], then_branch=body, else_branch=body)
        if depth > 20:
            inner = node("If", ["c"], ["r"], then_branch=body)
        body = helper.make_graph([inner], "b", [], [helper.make_empty_tensor_value_info("r")])
    outer = node("If", ["c"], ["y"], "outermost", then_branch=body, else_branch=body)
    return model_of([outer], [info("x", FLOAT, [2]), condition])


def nested_loops(depth: int, *, grows: bool) -> onnx.ModelProto:
    """Loops in loops, of 16 rounds each, or whose carried shape changes so that each body is looked at twice."""
    step = node("Concat", ["s", "s"], ["t"], axis=0) if grows else node("Neg", ["s"], ["t"])
    nodes = [step]
    for level in range(depth):
        inputs = [info(f"i{level}", INT64, []), info(f"k{level}", BOOL, []), info("s", FLOAT, ["n"] if grows else [2])]
        nodes.append(node("Identity", [f"k{level}"], [f"j{level}"]))
        outputs = [info(f"j{level}", BOOL, []), helper.make_empty_tensor_value_info("t")]
        body = helper.make_graph(nodes, f"b{level}", inputs, outputs)
        start = "x" if level == depth - 1 else "s"
        result = "y" if level == depth - 1 else "t"
        nodes = [node("Loop", ["trips", "", start], [result], f"loop{level}", body=body)]
    inputs = [info("x", FLOAT, [2])]
    if grows:
        return model_of(nodes, [*inputs, info("trips", INT64, [])])
    return model_of(nodes, inputs, {"trips": np.array(16, np.int64)})


def functions_that_double(count: int) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    functions = []
    for level in range(count):
        called = ("Neg", "") if level == 0 else (f"f{level - 1}", "own")
        body = [node(called[0], ["a"], ["m"], domain=called[1]), node(called[0], ["m"], ["b"], domain=called[1])]
        functions.append(helper.make_function("own", f"f{level}", ["a"], ["b"], body, opsets))
    last = node(f"f{count - 1}", ["x"], ["y"], domain="own")
    return model_of([last], [info("x", FLOAT, [2])], functions=functions)


def function_circle(names: list[str]) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    functions = [
        helper.make_function("own", name, ["a"], ["b"], [node(after, ["a"], ["b"], domain="own")], opsets)
        for name, after in zip(names, [*names[1:], names[0]], strict=True)
    ]
    return model_of([node(names[0], ["x"], ["y"], domain="own")], [info("x", FLOAT, [2])], functions=functions)


def huge(operator: str, *weights: np.ndarray, **attributes: object) -> onnx.ModelProto:
    names = {f"w{index}": weight for index, weight in enumerate(weights)}
    return model_of([node(operator, list(names), ["y"], "huge", **attributes)], weights=names)


def endless_loop() -> onnx.ModelProto:
    inputs = [info("i", INT64, []), info("k", BOOL, []), info("s", FLOAT, [2])]
    outputs = [info("k", BOOL, []), helper.make_empty_tensor_value_info("t")]
    body = helper.make_graph([node("Add", ["s", "s"], ["t"])], "b", inputs, outputs)
    loop = node("Loop", ["trips", "", "x"], ["y"], "endless", body=body)
    return model_of([loop], [info("x", FLOAT, [2])], {"trips": np.array(2**62, np.int64)})


def long_scan() -> onnx.ModelProto:
    inputs = [info("s", FLOAT, [1]), info("e", FLOAT, [1])]
    body = helper.make_graph([node("Add", ["s", "e"], ["t"])], "b", inputs, [helper.make_empty_tensor_value_info("t")])
    scan = node("Scan", ["z", "x"], ["y"], "long", body=body, num_scan_inputs=1)
    return model_of([scan], [info("x", FLOAT, [1 << 30, 1])], {"z": np.zeros(1, np.float32)})


def growing_shape(steps: int) -> onnx.ModelProto:
    """A vector concatenated with itself again and again: 2 ** steps elements of shape arithmetic."""
    nodes = [node("Shape", ["x"], ["s0"])]
    nodes += [node("Concat", [f"s{i}", f"s{i}"], [f"s{i + 1}"], axis=0) for i in range(steps)]
    nodes.append(node("Identity", [f"s{steps}"], ["y"]))
    return model_of(nodes, [info("x", FLOAT, ["N", "M"])])


def power_of_a_dimension(steps: int) -> onnx.ModelProto:
    """(N + M) squared again and again: 2 ** steps terms when written out."""
    nodes = [node("Shape", ["x"], ["s"]), node("ReduceSum", ["s"], ["p0"], keepdims=1)]
    nodes += [node("Mul", [f"p{i}", f"p{i}"], [f"p{i + 1}"]) for i in range(steps)]
    nodes += [node("ConstantOfShape", [f"p{steps}"], ["y"])]
    return model_of(nodes, [info("x", FLOAT, ["N", "M", "K", "L"])])


def doubling_constant(steps: int) -> onnx.ModelProto:
    """2 ** steps numbers, each half of them a copy of the other."""
    nodes = [node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}"], axis=0) for i in range(steps)]
    nodes.append(node("Add", ["x", f"t{steps}"], ["y"]))
    return model_of(nodes, [info("x", FLOAT, [1])], {"t0": np.ones(1, np.float32)})


def long_chain(length: int) -> onnx.ModelProto:
    """Elementwise nodes, each of which could be fused with all before it."""
    operators = ("Relu", "Neg", "Abs", "Floor")
    names = ["x", *(f"v{i}" for i in range(length - 1)), "y"]
    nodes = [node(operators[i % 4], [names[i]], [names[i + 1]]) for i in range(length)]
    return model_of(nodes, [info("x", FLOAT, [4, 4])])


def many_operands(count: int) -> onnx.ModelProto:
    names = [f"x{i}" for i in range(count)]
    return model_of([node("Concat", names, ["y"], axis=0)], [info(name, FLOAT, [1, 4]) for name in names])


def int64(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


ONE = np.ones((1, 1), np.float32)
BOMBS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "doubling constant": (lambda: doubling_constant(32), "compiled"),
    "long chain": (lambda: long_chain(2000), "compiled"),
    "many operands": (lambda: many_operands(2000), "compiled"),
    "graphs 30 deep": (lambda: nested_ifs(30), "InvalidModelError .*nested more than 24 deep"),
    "loops of loops": (lambda: nested_loops(12, grows=False), "InvalidModelError .*nodes when its loops|compiled"),
    "loops that change": (lambda: nested_loops(20, grows=True), "InvalidModelError .*nodes when its loops"),
    "functions that double": (lambda: functions_that_double(24), "InvalidModelError .*more than 250000 nodes"),
    "functions 200 deep": (lambda: functions_that_double(200), "InvalidModelError .*(deep|more than 250000 nodes)"),
    "a function of itself": (lambda: function_circle(["f"]), "InvalidModelError .*own.f' calls itself"),
    "functions in a circle": (lambda: function_circle(["f", "g", "h"]), "f -> own.g -> own.h -> own.f"),
    "terabytes of zeros": (lambda: huge("ConstantOfShape", int64(2**31, 2**31)), "InvalidModelError .*'huge'.*bytes"),
    "overflowing shape": (lambda: huge("ConstantOfShape", int64(2**40, 2**40)), "InvalidModelError .*'huge'.*bytes"),
    "overflow to nothing": (lambda: huge("ConstantOfShape", int64(2**62, 4)), "InvalidModelError .*'huge'.*bytes"),
    "expand": (lambda: huge("Expand", ONE, int64(2**31, 2**31)), "InvalidModelError .*'huge'.*bytes"),
    "tile": (lambda: huge("Tile", ONE, int64(2**31, 2**31)), "InvalidModelError .*'huge'.*bytes"),
    "pad": (lambda: huge("Pad", ONE, int64(0, 0, 2**31, 2**31)), "InvalidModelError .*'huge'.*bytes"),
    "range": (lambda: huge("Range", *map(np.int64, (0, 2**62, 1))), "InvalidModelError .*'huge'.*bytes"),
    "gigabytes that are possible": (lambda: huge("ConstantOfShape", int64(2**17, 2**17)), "Error .*memory"),
    "endless loop": (endless_loop, "compiled"),
    "long scan": (long_scan, "compiled"),
    "growing shape": (lambda: growing_shape(24), "compiled"),
    "power of a dimension": (lambda: power_of_a_dimension(12), "compiled|Error"),
}


def test_no_bomb_goes_off(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.onnx" for name in BOMBS}
    for name, (build, _) in BOMBS.items():
        paths[name].write_bytes(build().SerializeToString())
        assert paths[name].stat().st_size < 1 << 20
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *map(str, paths.values())],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=tmp_path,
        env={"LAMINA_CACHE": "off", "PATH": ""},
        check=False,
    )
    results = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    assert done.returncode == 0, f"after {list(results)}: {done.stderr[-2000:]}"
    for name, (_, expected) in BOMBS.items():
        outcome, seconds = results[name]
        assert re.search(expected, outcome, re.DOTALL), f"{name}: {outcome}"
        assert seconds < SECONDS_EACH, f"{name}: {outcome}"
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())
