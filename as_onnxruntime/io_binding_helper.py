"""``onnxruntime.transformers.io_binding_helper`` for where the real package is not installed: types, and bound tensors.

PyTorch is imported where a function needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .binding import IOBinding
from .element_types import element_of_dtype, element_of_word
from .session import InferenceSession

_TORCH_NAMES = {"bool": "bool", "bfloat16": "bfloat16", "double": "float64", "float": "float32"}


class TypeHelper:
    """Element types of a session's inputs and outputs, as text and as NumPy and PyTorch name them."""

    @staticmethod
    def get_input_type(session: InferenceSession, name: str) -> str:
        """Such as ``tensor(float)``. Raises ValueError for a name that the model does not have."""
        return _type_of(session.get_inputs(), name, "input")

    @staticmethod
    def get_output_type(session: InferenceSession, name: str) -> str:
        return _type_of(session.get_outputs(), name, "output")

    @staticmethod
    def ort_type_to_numpy_type(ort_type: str) -> type:
        """Raises ValueError for a type that NumPy does not have."""
        try:
            element = element_of_word(_word(ort_type))
        except KeyError:
            raise ValueError(f"{ort_type} not found in map") from None
        return np.dtype(element.dtype).type

    @staticmethod
    def ort_type_to_torch_type(ort_type: str) -> Any:
        import torch  # pyright: ignore[reportMissingImports]

        word = _word(ort_type)
        return getattr(torch, _TORCH_NAMES.get(word, word))

    @staticmethod
    def numpy_type_to_torch_type(numpy_type: Any) -> Any:
        return TypeHelper.ort_type_to_torch_type(element_of_dtype(np.dtype(numpy_type)).word)

    @staticmethod
    def torch_type_to_numpy_type(torch_type: Any) -> type:
        return np.dtype(str(torch_type).removeprefix("torch.")).type

    @staticmethod
    def get_io_numpy_type_map(session: InferenceSession) -> dict[str, type]:
        """The types of all inputs and outputs by name."""
        nodes = [*session.get_inputs(), *session.get_outputs()]
        return {node.name: TypeHelper.ort_type_to_numpy_type(node.type) for node in nodes}


class IOBindingHelper:
    """Binds PyTorch's tensors on the CPU to sessions."""

    @staticmethod
    def get_output_buffers(session: InferenceSession, output_shapes: Mapping[str, Any], device: Any) -> dict[str, Any]:
        """A flat tensor for each output, large enough for its shape."""
        import torch  # pyright: ignore[reportMissingImports]

        def flat(name: str, shape: Any) -> Any:
            dtype = TypeHelper.ort_type_to_torch_type(TypeHelper.get_output_type(session, name))
            return torch.empty(int(np.prod(shape)), dtype=dtype, device=device)

        return {name: flat(name, shape) for name, shape in output_shapes.items()}

    @staticmethod
    def prepare_io_binding(
        session: InferenceSession,
        inputs: Mapping[str, Any],
        output_buffers: Mapping[str, Any],
        output_shapes: Mapping[str, Any],
    ) -> IOBinding:
        """Binds tensors by name, and the flat buffers for the outputs."""
        binding = session.io_binding()
        for name, tensor in inputs.items():
            dtype = TypeHelper.ort_type_to_numpy_type(TypeHelper.get_input_type(session, name))
            binding.bind_input(name, "cpu", 0, dtype, list(tensor.size()), tensor.contiguous().data_ptr())
        for name, buffer in output_buffers.items():
            dtype = TypeHelper.ort_type_to_numpy_type(TypeHelper.get_output_type(session, name))
            binding.bind_output(name, "cpu", 0, dtype, output_shapes[name], buffer.data_ptr())
        return binding

    @staticmethod
    def get_outputs_from_io_binding_buffer(
        session: InferenceSession,
        output_buffers: Mapping[str, Any],
        output_shapes: Mapping[str, Any],
        return_numpy: bool = True,
    ) -> list[Any]:
        """The outputs in the model's order, each in its shape."""
        outputs = []
        for node in session.get_outputs():
            shape = output_shapes[node.name]
            tensor = output_buffers[node.name][: int(np.prod(shape))].reshape(tuple(shape)).clone().detach()
            outputs.append(tensor.cpu().numpy() if return_numpy else tensor)
        return outputs


def _type_of(nodes: Any, name: str, kind: str) -> str:
    for node in nodes:
        if node.name == name:
            return node.type
    raise ValueError(f"{kind} name {name} not found")


def _word(ort_type: str) -> str:
    return ort_type.removeprefix("tensor(").removesuffix(")")


__all__ = ["IOBindingHelper", "TypeHelper"]
