"""The rules of all families, and the question whether an operation can be compiled."""

from __future__ import annotations

from xdsl.ir import Attribute, Operation

from ...dialects import graph
from ...dialects.graph.containers import CONTAINER_OPERATIONS
from ...dialects.graph.text import TEXT_OPERATIONS
from ...dialects.graph.types import string
from . import (
    block_products,
    custom,
    elementwise,
    indexing,
    linear,
    movement,
    pooling,
    random_numbers,
    recurrent,
    reductions,
    sampling,
    selections,
    trees,
)
from .rules import Obstacle, Rule

RULES: dict[str, Rule] = {
    **elementwise.RULES,
    **custom.RULES,
    **linear.RULES,
    **block_products.RULES,
    **reductions.RULES,
    **pooling.RULES,
    **movement.RULES,
    **indexing.RULES,
    **sampling.RULES,
    **random_numbers.RULES,
    **recurrent.RULES,
    **selections.RULES,
    **trees.RULES,
}

# Names of the operations that can be compiled, unless their fields or types stand in the way.
COMPILED_OPERATIONS = frozenset({graph.ConstantOp.name, *RULES})


# Operations without a rule: why, and what to do. Any other one has no kernel yet.
_OF_DATA = Obstacle(
    "the shape of its result depends on the values of its input",
    "nothing, where that is meant; else fix the inputs' shapes, or export that input as a constant",
)
_OF_CONTAINERS = Obstacle("sequences and optional values live on the host", "nothing, where that is meant")
_OF_TEXT = Obstacle("its elements are text, which machine code does not handle", "nothing, where that is meant")
_WITHOUT_RULE = {
    **dict.fromkeys(("graph.unique", "graph.non_max_suppression", "graph.range"), _OF_DATA),
    **dict.fromkeys(
        (f"graph.dynamic_{name}" for name in ("reshape", "expand", "slice", "pad", "resize")),
        Obstacle(
            "the shape of its result is computed from values that are not known when the model is compiled",
            "fix the inputs' shapes (--shape, --dim), or export that shape as a constant",
        ),
    ),
    **dict.fromkeys((operation.name for operation in CONTAINER_OPERATIONS), _OF_CONTAINERS),
    **dict.fromkeys((operation.name for operation in TEXT_OPERATIONS), _OF_TEXT),
    "graph.entropy": Obstacle("what random numbers begin with is asked of the system", "nothing, or give a seed"),
    "graph.decode_image": Obstacle("pictures are decoded on the host", "pass pixels to the model"),
    "graph.look_up": Obstacle(
        "its keys are text, or so many that they are searched", "nothing, where that is meant: it costs little"
    ),
    **dict.fromkeys(("graph.zip_map", "graph.unzip_map"), _OF_CONTAINERS),
    "graph.if": Obstacle("which branch runs is decided on the host; what it computes is compiled", "nothing"),
    "graph.loop": Obstacle(
        "it is begun on the host; what it computes is compiled, and where that is one segment so are the rounds",
        "nothing",
    ),
}
_NO_KERNEL = Obstacle("there is no kernel for it yet", "expect NumPy's speed, or express it by other operators")


def obstacle_of(op: Operation) -> Obstacle | None:
    """Why a graph operation can't be compiled and what to do; None where it can."""
    if isinstance(op, graph.ConstantOp):
        return None
    rule = RULES.get(op.name)
    if rule is None:
        return _WITHOUT_RULE.get(op.name, _NO_KERNEL)
    return _OF_TEXT if any(_holds_text(value.type) for value in (*op.operands, *op.results)) else rule.obstacle(op)


def _holds_text(type_: Attribute) -> bool:
    return isinstance(type_, graph.GraphTensorType) and type_.element_type == string


def is_compiled(op: Operation) -> bool:
    """Whether a graph operation becomes kernels; the others run on the host."""
    return obstacle_of(op) is None


def computes_in_f32(op: Operation) -> bool:
    """Whether shorter floats are widened to f32 for this operation's arithmetic: for all but mere movement."""
    rule = RULES.get(op.name)
    return rule is not None and (rule.in_f32 or isinstance(op, graph.ElementwiseOp))
