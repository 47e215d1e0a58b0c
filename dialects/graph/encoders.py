"""Operations of classical models that have no kernel: they run on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, opt_operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .containers import sequence_of
from .linear import may_differ
from .operation import GraphOperation, graph_operation
from .types import GraphTensorType, MapType, is_float


@graph_operation
class LookUpOp(GraphOperation):
    """For each element of x the value of the key that it is equal to, of equal keys the first, else ``default``.

    NaN is equal to NaN. C1: keys are a vector of x's elements; C2: there are as many values; C3: the default is a
    scalar like them.
    """

    name = "graph.look_up"
    x = operand_def(GraphTensorType)
    keys = operand_def(GraphTensorType)
    table = operand_def(GraphTensorType)
    default = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, keys, table, default = types
        if keys.rank != 1 or keys.element_type != x.element_type:
            raise VerifyException(f"C1: keys must be a vector of {x.element_type}, got {keys}")
        if table.rank != 1 or may_differ(table.dims[0], keys.dims[0]):
            raise VerifyException(f"C2: {keys} need as many values, got {table}")
        if default.rank or default.element_type != table.element_type:
            raise VerifyException(f"C3: the default must be a scalar of {table.element_type}, got {default}")
        return [table.with_dims(x.dims)]


@graph_operation
class CoupleProbabilitiesOp(GraphOperation):
    """Probabilities of classes [N, C] from those of each class against each other one [N, C, C].

    Element i, j is the probability of class i if it is i or j. C1: three axes, the last two alike; C2: floats.
    """

    name = "graph.couple_probabilities"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        (x,) = types
        if x.rank != 3 or may_differ(x.dims[1], x.dims[2]):
            raise VerifyException(f"C1: expected [N, C, C], got {x}")
        if not is_float(x.element_type):
            raise VerifyException(f"C2: probabilities are floats, got {x}")
        return [x.with_dims(x.dims[:2])]


@graph_operation
class ZipMapOp(GraphOperation):
    """For each row of x [N, C] the map of C keys to its numbers, as a sequence.

    C1: x has two axes, and there is a key for each column; C2: the result is a sequence of maps of both types.
    """

    name = "graph.zip_map"
    x = operand_def(GraphTensorType)
    keys = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        x, keys = types
        if x.rank != 2 or keys.rank != 1 or may_differ(x.dims[1], keys.dims[0]):
            raise VerifyException(f"C1: expected a key for each column of {x}, got {keys}")
        if sequence_of("C2", result_types[0]).element_type != MapType(keys.element_type, x.element_type):
            raise VerifyException(f"C2: {result_types[0]} does not hold maps of {keys} to {x}")


@graph_operation
class UnzipMapOp(GraphOperation):
    """The values of a map as a row [1, C]: those of ``keys``, zeros or empty text where it lacks one.

    Without keys those of its own, in order. C1: x is a scalar that holds a map; C2: keys are a vector of its keys' type
    and the result a row of its values' type.
    """

    name = "graph.unzip_map"
    x = operand_def(GraphTensorType)
    keys = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        (x, *keys), (result,) = types, result_types
        if not isinstance(x.element_type, MapType) or x.rank:
            raise VerifyException(f"C1: expected a scalar that holds a map, got {x}")
        fits = all(key.rank == 1 and key.element_type == x.element_type.key for key in keys)
        if not fits or result.rank != 2 or result.element_type != x.element_type.value:
            raise VerifyException(f"C2: {x} with {keys} does not give {result}")


ENCODERS: tuple[type[GraphOperation], ...] = (LookUpOp, CoupleProbabilitiesOp, ZipMapOp, UnzipMapOp)
