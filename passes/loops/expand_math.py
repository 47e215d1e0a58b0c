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
from .elementary.lanes import Lane, Lanes

Function = Callable[..., Lane]

FUNCTIONS: dict[type[Operation], Function] = {
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


def expand(op: Operation) -> None:
    """Replaces one operation by its arithmetic. Raises `UnsupportedMathError`."""
    result_type = op.results[0].type
    element = _element(result_type)
    lanes = Lanes(op, result_type.get_shape() if isinstance(result_type, VectorType) else None)
    operands = [lanes.value(operand) for operand in op.operands]
    function = FUNCTIONS[type(op)]
    exponent = _small_power(op)
    if exponent is not None:
        result = power.integer_power(operands[0], exponent)
    elif isinstance(element, Float16Type | BFloat16Type):
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
    and log. Denormal arguments may count as zero and denormal results become zero, as a run flushes them; infinities
    and NaN are treated as C does.

    ```mlir
    %r = math.tanh %x : vector<6x64xf32>
    ```
    becomes a clamp, two polynomials in the square and a division, on `vector<6x64xf32>`.
    """

    name = "loops-expand-math"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for candidate in [inner for inner in op.walk() if type(inner) in FUNCTIONS]:
            expand(candidate)
