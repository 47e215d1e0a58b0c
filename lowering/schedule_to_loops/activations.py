"""The activations of recurrent cells, on vectors."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith, math
from xdsl.ir import SSAValue

from ...dialects.recurrence import Activation
from .arithmetic import compare, select
from .loop_nest import LoopNest


def activate(nest: LoopNest, activation: Activation, x: SSAValue) -> SSAValue:
    return _FUNCTIONS[activation.name](nest, x, activation.alpha, activation.beta)


def clip(nest: LoopNest, x: SSAValue, limit: float) -> SSAValue:
    """x between -limit and limit; NaN stays NaN."""
    return _between(nest, x, -limit, limit)


def _between(nest: LoopNest, x: SSAValue, lowest: float, highest: float) -> SSAValue:
    at_least = nest.insert(arith.MaximumfOp(x, nest.constant(lowest, x.type)))
    return nest.insert(arith.MinimumfOp(at_least, nest.constant(highest, x.type)))


def _sigmoid(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    """1 / (1 + exp(-x)): where exp overflows the result is 0, as it should be."""
    one = nest.constant(1.0, x.type)
    power = nest.insert(math.ExpOp(nest.insert(arith.NegfOp(x))))
    return nest.insert(arith.DivfOp(one, nest.insert(arith.AddfOp(one, power))))


def _tanh(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return nest.insert(math.TanhOp(x))


def _relu(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return nest.insert(arith.MaximumfOp(x, nest.constant(0.0, x.type)))


def _softsign(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    size = nest.insert(arith.AddfOp(nest.constant(1.0, x.type), nest.insert(math.AbsFOp(x))))
    return nest.insert(arith.DivfOp(x, size))


def _softplus(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    """log(1 + exp(x)), whose power does not overflow."""
    power = nest.insert(math.ExpOp(nest.insert(arith.NegfOp(nest.insert(math.AbsFOp(x))))))
    return nest.insert(arith.AddfOp(_relu(nest, x, 0, 0), nest.insert(math.Log1pOp(power))))


def _affine(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return nest.fma(nest.constant(alpha, x.type), x, nest.constant(beta, x.type))


def _elu(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    zero = nest.constant(0.0, x.type)
    power = nest.insert(math.ExpM1Op(nest.insert(arith.MinimumfOp(x, zero))))
    scaled = nest.insert(arith.MulfOp(nest.constant(alpha, x.type), power))
    return select(nest, compare(nest, "ogt", x, zero), x, scaled)


def _hard_sigmoid(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return _between(nest, _affine(nest, x, alpha, beta), 0.0, 1.0)


def _leaky_relu(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    scaled = nest.insert(arith.MulfOp(nest.constant(alpha, x.type), x))
    return select(nest, compare(nest, "oge", x, nest.constant(0.0, x.type)), x, scaled)


def _scaled_tanh(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    inner = nest.insert(math.TanhOp(nest.insert(arith.MulfOp(nest.constant(beta, x.type), x))))
    return nest.insert(arith.MulfOp(nest.constant(alpha, x.type), inner))


def _thresholded_relu(nest: LoopNest, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return select(nest, compare(nest, "oge", x, nest.constant(alpha, x.type)), x, nest.constant(0.0, x.type))


_FUNCTIONS: dict[str, Callable[[LoopNest, SSAValue, float, float], SSAValue]] = {
    "affine": _affine,
    "elu": _elu,
    "hardsigmoid": _hard_sigmoid,
    "leakyrelu": _leaky_relu,
    "relu": _relu,
    "scaledtanh": _scaled_tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "softsign": _softsign,
    "tanh": _tanh,
    "thresholdedrelu": _thresholded_relu,
}
