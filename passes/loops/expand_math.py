"""The pass `loops-expand-math`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float64Type,
    FloatAttr,
    ModuleOp,
    VectorType,
    f32,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects import vector_extension as vectorx
from .elementary import exponential, logarithm, power, remainder, sigmoidal, trigonometric
from .elementary.lanes import Lane, LaneBuilder

_Expansion = Callable[..., Lane]

FUNCTIONS: dict[type[Operation], _Expansion] = {
    math.ExpOp: exponential.exp,
    math.Exp2Op: exponential.exp2,
    math.ExpM1Op: exponential.expm1,
    math.SinhOp: exponential.sinh,
    math.CoshOp: exponential.cosh,
    math.LogOp: logarithm.log,
    math.Log2Op: logarithm.log2,
    math.Log10Op: logarithm.log10,
    math.Log1pOp: logarithm.log1p,
    math.AsinhOp: logarithm.asinh,
    math.AcoshOp: logarithm.acosh,
    math.AtanhOp: logarithm.atanh,
    math.TanhOp: sigmoidal.tanh,
    math.ErfOp: sigmoidal.erf,
    math.SinOp: trigonometric.sin,
    math.CosOp: trigonometric.cos,
    math.TanOp: trigonometric.tan,
    math.AtanOp: trigonometric.atan,
    math.Atan2Op: trigonometric.atan2,
    math.AsinOp: trigonometric.asin,
    math.AcosOp: trigonometric.acos,
    math.PowFOp: power.powf,
    math.CbrtOp: power.cbrt,
    vectorx.RemfOp: remainder.remf,
    vectorx.GeluOp: sigmoidal.gelu,
    vectorx.TanhGeluOp: sigmoidal.tanh_gelu,
}
_IN_F64 = (math.ExpOp, math.LogOp)
_LARGEST_MULTIPLIED_POWER = 4


class UnsupportedMathError(Exception):
    """An elementary function of a type that it is not written out for."""


def _constant_of(value: SSAValue) -> float | None:
    """The number that a value is in every lane."""
    owner = value.owner
    if not isinstance(owner, arith.ConstantOp):
        return None
    if isinstance(owner.value, FloatAttr):
        return owner.value.value.data
    if isinstance(owner.value, DenseIntOrFPElementsAttr) and owner.value.is_splat():
        return float(next(iter(owner.value.get_values())))  # pyright: ignore[reportArgumentType]
    return None


def _small_power(op: Operation) -> int | None:
    """The exponent of a power that a few multiplications compute."""
    if not isinstance(op, math.PowFOp):
        return None
    exponent = _constant_of(op.operands[1])
    if exponent is None or not 1 <= abs(exponent) <= _LARGEST_MULTIPLIED_POWER or exponent != int(exponent):
        return None
    return int(exponent)


def _element(value_type: Attribute) -> Attribute:
    return value_type.element_type if isinstance(value_type, VectorType) else value_type


def _only_user(value: SSAValue) -> Operation | None:
    users = [use.operation for use in value.uses]
    return users[0] if len(users) == 1 else None


def _quotient_by(exp: Operation) -> tuple[Operation, Operation] | None:
    """The sum and the quotient of `x / (1 + exp(y))`, which is all that becomes of this exp."""
    total = _only_user(exp.results[0]) if isinstance(exp, math.ExpOp) else None
    if not isinstance(total, arith.AddfOp) or 1.0 not in map(_constant_of, total.operands):
        return None
    quotient = _only_user(total.result)
    if not isinstance(quotient, arith.DivfOp) or quotient.rhs != total.result or quotient.lhs == total.result:
        return None
    return total, quotient


def _expand_quotient(exp: Operation, total: Operation, quotient: Operation) -> None:
    """Sigmoid and its kin have denormal results where exp is too large for a number."""
    result_type = quotient.results[0].type
    lanes = LaneBuilder(quotient, result_type.get_shape() if isinstance(result_type, VectorType) else None, True)
    result = exponential.quotient_by_exp(lanes.value(quotient.operands[0]), lanes.value(exp.operands[0]))
    quotient.results[0].replace_all_uses_with(result.ssa)
    for op in (quotient, total, exp):
        op.detach()
        op.erase()


def expand(op: Operation, keeps_denormals: bool = False) -> None:
    """Replaces one operation by its arithmetic. Raises `UnsupportedMathError`."""
    result_type = op.results[0].type
    element = _element(result_type)
    is_narrow = isinstance(element, Float16Type | BFloat16Type)
    around = _quotient_by(op) if keeps_denormals and not is_narrow else None
    if around is not None:
        _expand_quotient(op, *around)
        return
    lanes = LaneBuilder(op, result_type.get_shape() if isinstance(result_type, VectorType) else None, keeps_denormals)
    operands = [lanes.value(operand) for operand in op.operands]
    function = FUNCTIONS[type(op)]
    exponent = _small_power(op)
    if exponent is not None:
        result = power.integer_power(operands[0], exponent)
    elif is_narrow:
        result = function(*(operand.extend(f32) for operand in operands)).narrow(element)
    elif isinstance(element, Float64Type) and not isinstance(op, _IN_F64):
        known = ", ".join(known.name for known in _IN_F64)
        raise UnsupportedMathError(f"{op.name} is not available in f64 (only {known} are): use f32")
    else:
        result = function(*operands)
    op.results[0].replace_all_uses_with(result.ssa)
    op.detach()
    op.erase()


@dataclass(frozen=True)
class LoopsExpandMathPass(ModulePass):
    """Writes elementary functions out as arithmetic, on scalars and n-D vectors alike: no library is called.

    Each function's docstring states its error bound in f32. f16 and bf16 are computed in f32; in f64 there are exp
    and log. Infinities and NaN are treated as C does.

    ``denormals`` is ``flush`` or ``keep``; without the option the context says it. In code that flushes, denormal
    arguments may count as zero and denormal results become zero. In code that keeps them, arguments are scaled before a
    logarithm looks at their exponent, powers of two are multiplied in several factors, and a quotient by one more than
    an exponential does not overflow.

    ```mlir
    %r = math.tanh %x : vector<6x64xf32>
    ```
    becomes a clamp, two polynomials in the square and a division, on `vector<6x64xf32>`.
    """

    name = "loops-expand-math"

    denormals: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        denormals = getattr(ctx, "denormals", "flush") if self.denormals is None else self.denormals
        for candidate in [inner for inner in op.walk() if type(inner) in FUNCTIONS]:
            expand(candidate, denormals == "keep")
