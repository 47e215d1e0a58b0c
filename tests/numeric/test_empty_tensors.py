"""Tensors without elements: fixed and free sizes agree, and what is computed from nothing is defined."""

import lamina
import numpy as np
import pytest
from one_node import model_of

NAN, INFINITY = np.nan, np.inf
# Operator, shapes of its inputs, attributes, and the number that fills the result (None: the result is empty).
CASES = [
    ("MatMul", [(2, 3), (3, 0)], {}, None),
    ("MatMul", [(0, 3), (3, 4)], {}, None),
    ("MatMul", [(2, 0), (0, 4)], {}, 0),
    ("MatMul", [(0, 2, 3), (3, 4)], {}, None),
    ("Gemm", [(2, 0), (0, 4), (4,)], {}, 1),
    ("Gemm", [(0, 3), (4, 3)], {"transB": 1}, None),
    ("Einsum", [(2, 0), (0, 3)], {"equation": "ij,jk->ik"}, 0),
    ("Conv", [(0, 2, 5, 5), (3, 2, 3, 3)], {}, None),
    ("Conv", [(1, 2, 5, 5), (0, 2, 3, 3)], {}, None),
    ("Conv", [(1, 0, 5, 5), (3, 0, 3, 3), (3,)], {}, 1),
    ("Conv", [(1, 2, 0, 5), (3, 2, 3, 3), (3,)], {"pads": [2, 2, 2, 2]}, 1),
    ("ConvTranspose", [(0, 2, 5, 5), (2, 3, 3, 3)], {}, None),
    ("ConvTranspose", [(1, 2, 5, 5), (2, 0, 3, 3)], {}, None),
    ("GlobalAveragePool", [(1, 2, 0, 3)], {}, NAN),
    ("GlobalMaxPool", [(1, 2, 0, 3)], {}, -INFINITY),
    ("MaxPool", [(0, 2, 4, 4)], {"kernel_shape": [2, 2]}, None),
    ("ReduceMean", [(2, 0)], {}, NAN),
    ("ReduceSum", [(2, 0)], {}, 0),
    ("ReduceProd", [(2, 0)], {}, 1),
    ("ReduceMax", [(0, 3)], {"keepdims": 0}, -INFINITY),
    ("ReduceMin", [(0, 3)], {}, INFINITY),
    ("ReduceL2", [(0, 3)], {}, 0),
    ("ReduceLogSumExp", [(0, 3)], {}, -INFINITY),
    ("Softmax", [(2, 0)], {}, None),
    ("Softmax", [(0, 2)], {}, None),
    ("LayerNormalization", [(0, 4), (4,)], {}, None),
    ("InstanceNormalization", [(0, 2, 3), (2,), (2,)], {}, None),
    ("ArgMax", [(3, 0)], {"axis": 0}, None),
    ("Concat", [(0, 3), (2, 3)], {"axis": 0}, 1),
    ("Transpose", [(2, 0, 3)], {}, None),
    ("Flatten", [(0, 2, 3)], {}, None),
    ("Relu", [(2, 0)], {}, None),
    ("Add", [(2, 0), (1, 1)], {}, None),
    ("Where", [(0, 3), (0, 3), (0, 3)], {}, None),
    ("DepthToSpace", [(0, 4, 2, 2)], {"blocksize": 2}, None),
    ("GridSample", [(0, 1, 4, 4), (0, 3, 3, 2)], {}, None),
    ("LRN", [(0, 3, 4, 4)], {"size": 3}, None),
    ("Hardmax", [(0, 3)], {}, None),
]
FIXED = {"Conv": (1,), "ConvTranspose": (1,), "Add": (1,), "GridSample": (1,)}
"""Inputs of known sizes: weights, and what is broadcast."""


def run(operator: str, shapes: list, attributes: dict, free: bool) -> np.ndarray:
    dims = {
        f"x{index}": [
            f"d{index}_{axis}" if free and index not in FIXED.get(operator, ()) else size
            for axis, size in enumerate(shape)
        ]
        for index, shape in enumerate(shapes)
    }
    model = model_of(operator, dims, **attributes)
    if operator == "Where":
        model.graph.input[0].type.tensor_type.elem_type = 9
    feeds = {f"x{index}": np.ones(shape, np.float32) for index, shape in enumerate(shapes)}
    if operator == "Where":
        feeds["x0"] = feeds["x0"].astype(bool)
    return lamina.compile(model, threads=2).run(feeds)["y0"]


@pytest.mark.parametrize(("operator", "shapes", "attributes", "filled"), CASES, ids=lambda value: str(value)[:40])
def test_nothing(operator, shapes, attributes, filled):
    fixed, free = (run(operator, shapes, attributes, is_free) for is_free in (False, True))
    np.testing.assert_array_equal(fixed, free)
    assert fixed.dtype == free.dtype and fixed.shape == free.shape
    if filled is None:
        assert fixed.size == 0
    else:
        assert fixed.size > 0
        np.testing.assert_array_equal(fixed, np.full(fixed.shape, filled, fixed.dtype))


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
def test_there_is_no_largest_of_none(operator, free):
    with pytest.raises(lamina.LaminaError):
        run(operator, [(0, 3)], {"axis": 0}, free)


def test_a_division_of_sizes_by_zero_is_an_error():
    """Rows of an image, by its columns: only run with columns."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Shape", ["x"], ["size"]),
        helper.make_node("Split", ["size"], ["rows", "columns"], num_outputs=2),
        helper.make_node("Div", ["rows", "columns"], ["times"]),
        helper.make_node("ConstantOfShape", ["times"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["R", "C"])
    graph = helper.make_graph(nodes, "ratio", [x], [helper.make_empty_tensor_value_info("y")], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    executable = lamina.compile(model)
    assert executable.run({"x": np.zeros((6, 2), np.float32)})["y"].shape == (3,)
    with pytest.raises(lamina.InputError, match="divides a size by another one, which is 0"):
        executable.run({"x": np.zeros((6, 0), np.float32)})
