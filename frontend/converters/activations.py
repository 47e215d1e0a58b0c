"""Activation functions, written out in elementwise operations."""

from __future__ import annotations

from ...dialects import graph
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value


@converter("LeakyRelu", several_steps=True)
def convert_leaky_relu(node: Node) -> Value:
    return leaky_relu(node, node.input(0), node.attribute("alpha", 0.01))


def leaky_relu(node: Node, x: Value, alpha: float) -> Value:
    if alpha == 0:
        return node.b.op(graph.ReluOp, x)
    scaled = node.b.mul_scalar(x, alpha)
    if alpha <= 1:
        return node.b.maximum(x, scaled)
    return node.b.minimum(x, scaled)


@converter("PRelu", several_steps=True)
def convert_prelu(node: Node) -> Value:
    """max(x, 0) + slope * min(x, 0)."""
    x, slope = node.input(0), node.input(1)
    if node.opset < 7 and slope.rank == 1 and x.rank > 2:
        slope = node.b.reshape(slope, (*slope.dims, *[1] * (x.rank - 2)))
    negative = node.b.minimum(x, node.b.scalar_like(0, x))
    return node.b.add(node.b.op(graph.ReluOp, x), node.b.mul(slope, negative))


@converter("Elu", several_steps=True)
def convert_elu(node: Node) -> Value:
    return elu(node, node.input(0), node.attribute("alpha", 1.0))


def elu(node: Node, x: Value, alpha: float) -> Value:
    """x where it is positive, else alpha * (exp(x) - 1), to the last digits also near zero."""
    return _where_positive(node, x, node.b.mul_scalar(node.b.op(graph.Expm1Op, x), alpha))


def _where_positive(node: Node, x: Value, otherwise: Value) -> Value:
    """x where it is positive; NaN is not."""
    return node.b.where(node.b.op(graph.GreaterOp, x, node.b.scalar_like(0, x)), x, otherwise)


@converter("Celu", several_steps=True)
def convert_celu(node: Node) -> Value:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)."""
    x, alpha, b = node.input(0), node.attribute("alpha", 1.0), node.b
    if alpha == 0:
        node.invalid("the attribute 'alpha' is 0, by which x is divided")
    curve = b.mul_scalar(b.op(graph.Expm1Op, b.mul_scalar(x, 1 / alpha)), alpha)
    if alpha > 0:
        return _where_positive(node, x, curve)
    return b.add(b.op(graph.ReluOp, x), b.minimum(curve, b.scalar_like(0, x)))


@converter("Selu", several_steps=True)
def convert_selu(node: Node) -> Value:
    alpha = node.attribute("alpha", 1.67326319217681884765625)
    gamma = node.attribute("gamma", 1.05070102214813232421875)
    return node.b.mul_scalar(elu(node, node.input(0), alpha), gamma)


@converter("HardSigmoid", several_steps=True)
def convert_hard_sigmoid(node: Node) -> Value:
    return hard_sigmoid(node, node.input(0), node.attribute("alpha", 0.2), node.attribute("beta", 0.5))


def hard_sigmoid(node: Node, x: Value, alpha: float, beta: float) -> Value:
    """min(max(alpha * x + beta, 0), 1)."""
    linear = node.b.add_scalar(node.b.mul_scalar(x, alpha), beta)
    return node.b.minimum(node.b.op(graph.ReluOp, linear), node.b.scalar_like(1, x))


@converter("HardSwish", several_steps=True)
def convert_hard_swish(node: Node) -> Value:
    x = node.input(0)
    return node.b.mul(x, hard_sigmoid(node, x, 1 / 6, 0.5))


@converter("Swish", "QuickGelu", several_steps=True)
@converter("QuickGelu", domain=MICROSOFT, several_steps=True)
def convert_swish(node: Node) -> Value:
    """x / (1 + exp(-alpha * x))."""
    x, b = node.input(0), node.b
    alpha = node.attribute("alpha", 1.702 if node.operator == "QuickGelu" else 1.0)
    return b.div(x, b.add_scalar(b.op(graph.ExpOp, b.mul_scalar(x, -alpha)), 1))


@converter("Softplus", several_steps=True)
def convert_softplus(node: Node) -> Value:
    """max(x, 0) + log(1 + exp(-|x|)), which does not overflow."""
    x, b = node.input(0), node.b
    decay = b.op(graph.ExpOp, b.op(graph.NegOp, b.op(graph.AbsOp, x)))
    return b.add(b.op(graph.ReluOp, x), b.op(graph.Log1pOp, decay))


@converter("Mish", several_steps=True)
def convert_mish(node: Node) -> Value:
    """x * tanh(log(1 + exp(x))), which is x * n / (n + 2) with n = e * (e + 2) for e = exp(x).

    From 40 on the quotient is 1, and e * e would overflow. A denormal e has few digits, which the product with x would
    spread: where denormals are kept, a negative x is multiplied by h = exp(x / 2) before and after.
    """
    x, b = node.input(0), node.b
    limited = b.minimum(x, b.scalar_like(40, x))
    if b.keeps_denormals:
        root = b.op(graph.ExpOp, b.mul_scalar(limited, 0.5))
        power = b.mul(root, root)
        above = b.add_scalar(power, 2)
        inverse = b.div(above, b.add_scalar(b.mul(power, above), 2))
        small = b.mul(b.mul(x, root), b.mul(root, inverse))
        is_positive = b.op(graph.GreaterOp, x, b.scalar_like(0, x))
        return b.where(is_positive, b.mul(x, b.mul(power, inverse)), small)
    power = b.op(graph.ExpOp, limited)
    part = b.mul(power, b.add_scalar(power, 2))
    return b.mul(x, b.div(part, b.add_scalar(part, 2)))


@converter("Softsign", several_steps=True)
def convert_softsign(node: Node) -> Value:
    x = node.input(0)
    return node.b.div(x, node.b.add_scalar(node.b.op(graph.AbsOp, x), 1))


@converter("ThresholdedRelu", several_steps=True)
def convert_thresholded_relu(node: Node) -> Value:
    x = node.input(0)
    above = node.b.op(graph.GreaterOp, x, node.b.scalar_like(node.attribute("alpha", 1.0), x))
    return node.b.where(above, x, node.b.scalar_like(0, x))


@converter("Shrink", several_steps=True)
def convert_shrink(node: Node) -> Value:
    x, bias, limit = node.input(0), node.attribute("bias", 0.0), node.attribute("lambd", 0.5)
    b = node.b
    below = b.op(graph.LessOp, x, b.scalar_like(-limit, x))
    above = b.op(graph.GreaterOp, x, b.scalar_like(limit, x))
    inner = b.where(above, b.add_scalar(x, -bias), b.scalar_like(0, x))
    return b.where(below, b.add_scalar(x, bias), inner)


@converter("Gelu", several_steps=True)
@converter("Gelu", domain=MICROSOFT, several_steps=True)
def convert_gelu(node: Node) -> Value:
    return gelu(node, node.input(0), tanh=node.attribute("approximate", "none") == "tanh")


def gelu(node: Node, x: Value, *, tanh: bool) -> Value:
    return node.b.op(graph.GeluOp, x, tanh=tanh)


@converter("FastGelu", "BiasGelu", domain=MICROSOFT, several_steps=True)
def convert_bias_gelu(node: Node) -> Value:
    x, bias = node.input(0), node.optional(1)
    x = x if bias is None else node.b.add(x, bias)
    return gelu(node, x, tanh=node.operator == "FastGelu")


def activation(node: Node, x: Value, name: str, parameters: list[float]) -> Value:
    """An activation by the name that com.microsoft's fused operators use."""
    simple = {"Relu": graph.ReluOp, "Tanh": graph.TanhOp, "Sigmoid": graph.SigmoidOp}
    if name in simple:
        return node.b.op(simple[name], x)
    if name == "LeakyRelu":
        return leaky_relu(node, x, parameters[0])
    if name == "HardSigmoid":
        return hard_sigmoid(node, x, *parameters[:2])
    if name == "Clip":
        low, high = parameters[:2]
        return node.b.minimum(node.b.maximum(x, node.b.scalar_like(low, x)), node.b.scalar_like(high, x))
    return node.unsupported(
        f"the fused activation '{name}' is not known", "export the model before onnxruntime optimises it"
    )
