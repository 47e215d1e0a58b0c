"""ONNX's backend API: ``lamina.onnx_backend`` prepares and runs models as ``onnx.backend.base`` asks for.

Its official test suite runs on it::

    globals().update(onnx.backend.test.BackendTest(lamina.onnx_backend, __name__).test_cases)

Source: https://onnx.ai/onnx/api/backend.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from .compiler import compile as compile_model
from .compiler import import_for
from .runtime.errors import LaminaError
from .runtime.executable import Executable

_INTEGERS = ("int2", "uint2", "int4", "uint4")


class LaminaRep(BackendRep):
    """A compiled model, to be run several times.

    What NumPy has no type for (integers of 2 and 4 bits, floats of 8 or fewer) is of types of ``ml_dtypes`` outside, as
    in ONNX's own tools. ``dtypes`` are those of the outputs by name.
    """

    def __init__(self, executable: Executable, dtypes: Mapping[str, np.dtype] | None = None):
        self.executable, self._dtypes = executable, dtypes or {}

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs in the model's order, by name too; inputs in its order, by name, or a single array.

        Raises InputError for what the model does not take.
        """
        outputs = self.executable.run(self._feeds(inputs))
        typed = [_as(value, self._dtypes[name]) if name in self._dtypes else value for name, value in outputs.items()]
        return namedtupledict("Outputs", list(outputs))(*typed)

    def _feeds(self, inputs: Any) -> dict[str, Any]:
        infos = {info.name: info for info in self.executable.inputs}
        if not isinstance(inputs, Mapping):
            values = inputs if isinstance(inputs, Sequence) else [inputs]
            inputs = dict(zip(infos, values, strict=False))
        return {name: _held(value, infos[name].dtype) if name in infos else value for name, value in inputs.items()}


def _is_foreign(dtype: np.dtype) -> bool:
    return dtype.name in _INTEGERS or dtype.name.startswith(("float8", "float6", "float4"))


def _as(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Elements that NumPy has no type for, held in or taken out of bytes: floats are bits there, integers numbers."""
    foreign = [each for each in (array.dtype, dtype) if _is_foreign(each)]
    if not foreign or foreign[0].name in _INTEGERS:
        return array.astype(dtype, copy=False)
    return np.ascontiguousarray(array).view(dtype).reshape(array.shape)


def _held(value: Any, dtype: np.dtype) -> Any:
    """An array of numbers that NumPy has no type for in the type that the model takes them in."""
    return _as(value, dtype) if isinstance(value, np.ndarray) and _is_foreign(value.dtype) else value


def _foreign_outputs(model: onnx.ModelProto) -> dict[str, np.dtype]:
    """The outputs whose elements NumPy has no type for."""
    types = {output.name: output.type.tensor_type.elem_type for output in model.graph.output}
    dtypes = {name: helper.tensor_dtype_to_np_dtype(code) for name, code in types.items() if code}
    return {name: dtype for name, dtype in dtypes.items() if _is_foreign(dtype)}


class LaminaBackend(Backend):
    """Prepares models and nodes for this machine's processor."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether the model can be compiled, which its import tells."""
        try:
            import_for(model.SerializeToString(), **kwargs)
        except LaminaError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> LaminaRep:
        """Compiles a model; ``kwargs`` are those of ``lamina.compile``. Raises ValueError for another device."""
        if not cls.supports_device(device):
            raise ValueError(f"device '{device}': there is only CPU")
        return LaminaRep(compile_model(model.SerializeToString(), **kwargs), _foreign_outputs(model))

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """The outputs of one node; ``opset_version`` says which definition of the operator is meant."""
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = list(dict.fromkeys(name for name in node.input if name))
        arrays = (
            [np.asarray(inputs[name]) for name in names] if isinstance(inputs, Mapping) else map(np.asarray, inputs)
        )
        feeds = dict(zip(names, arrays, strict=False))
        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in feeds.items()
        ]
        wanted = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        for info, (dtype, shape) in zip(wanted, outputs_info or (), strict=False):
            info.CopyFrom(helper.make_tensor_value_info(info.name, helper.np_dtype_to_tensor_dtype(dtype), shape))
        graph = helper.make_graph([node], node.op_type, given, wanted)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, opset)])
        return cls.prepare(onnx.shape_inference.infer_shapes(model), device, **kwargs).run(feeds)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """CPU alone."""
        return Device(device).type == DeviceType.CPU if hasattr(DeviceType, device.split(":")[0]) else False


is_compatible = LaminaBackend.is_compatible
prepare = LaminaBackend.prepare
run_model = LaminaBackend.run_model
run_node = LaminaBackend.run_node
supports_device = LaminaBackend.supports_device
