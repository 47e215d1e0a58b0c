"""What a compiled model says of its work, and how many threads it begins with."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.compiler import import_for
from lamina.errors import OperationError
from lamina.pipeline import build_program, compile_through
from lamina.runtime.expressions import evaluate
from onnx import TensorProto, helper, numpy_helper
from xdsl.dialects.builtin import StringAttr


def product_model() -> onnx.ModelProto:
    """y [N, 256] = x [N, 256] w."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 256]) for name in "xy")
    w = numpy_helper.from_array(np.eye(256, dtype=np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "product", [x], [y], [w])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_work_follows_the_sizes() -> None:
    """Written to the compiled file, in terms of its symbols."""
    segment = lamina.compile(product_model()).program.segments["segment0"]
    assert segment.work is not None
    small, large = (evaluate(segment.work, {"N": size}) for size in (1, 1000))
    assert 500 < small < 20_000
    assert 500_000 < large < 10_000_000


@pytest.mark.parametrize(("microseconds", "most", "first"), [(15, 1, 1), (45, 2, 1), (100, 2, 2)])
def test_a_segment_begins_with_as_many_threads_as_its_work_is_worth(microseconds: int, most: int, first: int) -> None:
    executable = lamina.compile(product_model(), threads=2)
    (runner,) = executable._segments.values()
    work = runner.segment.work
    assert work is not None
    rows = next(size for size in range(1, 5000) if evaluate(work, {"N": size}) >= 1000 * microseconds)
    binding = runner.binding({"N": rows})
    assert (binding.participants, binding.pace.threads()) == (most, first)


def test_work_that_is_no_dimension_is_refused() -> None:
    module, context = import_for(product_model())
    compile_through(module, context, stop="schedule")
    function = next(op for op in module.ops if "lamina.work" in op.attributes)
    function.attributes["lamina.work"] = StringAttr("much")
    with pytest.raises(OperationError, match=r"lamina.work is .*: expected #graph.dim"):
        build_program(module, context)
