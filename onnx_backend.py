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


class LaminaRep(BackendRep):
    """A compiled model, to be run several times."""

    def __init__(self, executable: Executable):
        self.executable = executable

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs in the model's order, by name too; inputs in its order, by name, or a single array.

        Raises InputError for what the model does not take.
        """
        outputs = self.executable.run(self._feeds(inputs))
        return namedtupledict("Outputs", list(outputs))(*outputs.values())

    def _feeds(self, inputs: Any) -> Mapping[str, Any]:
        if isinstance(inputs, Mapping):
            return inputs
        values = inputs if isinstance(inputs, Sequence) else [inputs]
        return dict(zip([info.name for info in self.executable.inputs], values, strict=False))


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
        return LaminaRep(compile_model(model.SerializeToString(), **kwargs))

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
