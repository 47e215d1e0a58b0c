"""From what a session is given to a model that runs: opened, changed as its options ask, compiled.

Nothing of the compiler is imported where the model is compiled already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runtime.errors import InputError, LaminaError
from ..runtime.executable import Executable, TensorInfo, from_bytes, load
from ..runtime.file_format import MAGIC, is_compiled_model
from .enumerations import ExecutionMode, GraphOptimizationLevel
from .failures import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    ModelLoadCanceled,
    NoSuchFile,
    NotImplemented,
    OnnxRuntimeFailure,
    RuntimeException,
    failure,
    translated,
)
from .options import SessionOptions

if TYPE_CHECKING:
    import onnx

_ORT_FORMAT = b"ORTM"
_EXTERNAL_FILE = "session.optimized_model_external_initializers_file_name"
_EXTERNAL_BYTES = "session.optimized_model_external_initializers_min_size_in_bytes"

Source = Path | bytes


def open_model(source: Source, options: SessionOptions) -> Executable:
    """Loads a compiled model, or compiles an ONNX model. Raises errors of both interfaces."""
    if options._is_canceled:
        raise failure(ModelLoadCanceled, "loading the model was called off")
    start = _first_bytes(source)
    if is_compiled_model(start):
        threads = _threads(options)
        loaded = from_bytes(source, threads) if isinstance(source, bytes) else load(source, threads=threads)
        return _as_compiled(loaded, options)
    if start[4:8] == _ORT_FORMAT:
        raise failure(NotImplemented, "the model is in ORT's own format: use the ONNX model that it was made from")
    if options.optimized_model_filepath:
        write_simplified(source, options)
    model = source if _weights_are_plain(options) else edited_model(source, options)
    return _compile(model, options, _fixed_shapes(source, options))


def _first_bytes(source: Source) -> bytes:
    if isinstance(source, bytes):
        if not source:
            raise failure(InvalidArgument, "No graph was found in the protobuf: there are no bytes", InputError)
        return source[: len(MAGIC) + 8]
    if source.is_dir():
        raise failure(InvalidProtobuf, f"Load model from {source} failed: it is a folder, give the .onnx file in it")
    try:
        with open(source, "rb") as stream:
            return stream.read(len(MAGIC) + 8)
    except FileNotFoundError:
        message = f"Load model from {source} failed: no model file '{source}'. File doesn't exist"
        raise failure(NoSuchFile, message, InputError) from None
    except OSError as error:
        raise failure(Fail, f"Load model from {source} failed: {error}") from None


def _threads(options: SessionOptions) -> int | None:
    return options.intra_op_num_threads if options.intra_op_num_threads > 0 else None


def _as_compiled(executable: Executable, options: SessionOptions) -> Executable:
    """The model, if nothing is asked of it that was decided otherwise when it was compiled."""
    names = sorted([*options._sizes_by_name, *options._sizes_by_denotation])
    if names:
        raise failure(
            InvalidArgument, f"the model is compiled: its free dimensions {names} cannot be fixed any more", InputError
        )
    if options._initializers or options._external_initializers:
        weights = sorted([*options._initializers, *options._external_initializers])
        raise failure(
            InvalidArgument, f"the model is compiled: its weights {weights} cannot be replaced any more", InputError
        )
    if options.precision not in ("f32", executable.precision):
        raise failure(
            InvalidArgument,
            f"the model is compiled with precision='{executable.precision}', which cannot be made "
            f"'{options.precision}' any more",
            InputError,
        )
    return executable


def _compile(
    model: Source | onnx.ModelProto, options: SessionOptions, shapes: Mapping[str, Any] | None = None
) -> Executable:
    try:
        from ..compiler import compile
    except ModuleNotFoundError as error:
        if error.name != f"{__name__.partition('.')[0]}.compiler":
            raise
        raise failure(
            NotImplemented,
            "this is an ONNX model, and lamina-runtime only runs compiled ones: install lamina instead, or compile the "
            "model where lamina is installed (lamina compile model.onnx -o model.lamina)",
        ) from None
    return compile(model, shapes=shapes or None, threads=_threads(options), precision=options.precision)  # pyright: ignore[reportArgumentType]


# --- a model that is changed before it is compiled ---------------------------------------------------------


def _weights_are_plain(options: SessionOptions) -> bool:
    return not (options._initializers or options._external_initializers or options._files_in_memory)


def edited_model(source: Source, options: SessionOptions) -> onnx.ModelProto:
    """The ONNX model with the weights that the options bring, and the data of all others in it."""
    from ..frontend.external_data import load_external_data

    model = parsed_model(source)
    given = options._initializers
    for tensor in model.graph.initializer:
        if tensor.name in given:
            _replace(tensor, given[tensor.name])
        elif is_external(tensor):
            _take_external(tensor, options)
    return load_external_data(model, source if isinstance(source, Path) else None)


def parsed_model(source: Source) -> onnx.ModelProto:
    """The ONNX model as it stands."""
    import onnx

    content = source if isinstance(source, bytes) else source.read_bytes()
    try:
        return onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf's implementations differ in what they raise.
        raise failure(InvalidProtobuf, f"Failed to load model because protobuf parsing failed: {error}") from None


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether its data lies in another file."""
    return tensor.data_location == tensor.EXTERNAL


def _replace(tensor: onnx.TensorProto, array: np.ndarray) -> None:
    from onnx import numpy_helper

    given = numpy_helper.from_array(array, tensor.name)
    if given.data_type != tensor.data_type or list(given.dims) != list(tensor.dims):
        raise failure(
            InvalidArgument,
            f"initializer '{tensor.name}': the model has ONNX's type {tensor.data_type} and shape {list(tensor.dims)}, "
            f"the tensor given {given.data_type} and {list(given.dims)}",
        )
    tensor.CopyFrom(given)


def _take_external(tensor: onnx.TensorProto, options: SessionOptions) -> None:
    """The data of a tensor, where the options have it."""
    if tensor.name in options._external_initializers:
        _replace(tensor, options._external_initializers[tensor.name])
        return
    entries = {entry.key: entry.value for entry in tensor.external_data}
    content = options._files_in_memory.get(entries.get("location", ""))
    if content is None:
        return
    offset = int(entries.get("offset", 0))
    length = int(entries.get("length", len(content) - offset))
    if offset + length > len(content):
        raise failure(
            InvalidArgument,
            f"initializer '{tensor.name}' lies in bytes {offset} to {offset + length} of "
            f"'{entries['location']}', of which {len(content)} were given",
        )
    del tensor.external_data[:]
    tensor.data_location = tensor.DEFAULT
    tensor.raw_data = content[offset : offset + length]


def _fixed_shapes(source: Source, options: SessionOptions) -> dict[str, Any]:
    """What ``lamina.compile`` takes as ``shapes``. Names that the model does not have are passed over."""
    if not options._sizes_by_name and not options._sizes_by_denotation:
        return {}
    model = parsed_model(source)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    by_denotation = options._sizes_by_denotation
    shapes: dict[str, Any] = {}
    for value in inputs:
        dimensions = value.type.tensor_type.shape.dim
        known = {dimension.dim_param for dimension in dimensions}
        shapes |= {name: size for name, size in options._sizes_by_name.items() if name in known}
        if any(dimension.denotation in by_denotation for dimension in dimensions):
            shapes[value.name] = [by_denotation.get(dimension.denotation) for dimension in dimensions]
    return shapes


# --- weights that a run may replace ------------------------------------------------------------------------


def overridable_weights(executable: Executable) -> list[TensorInfo]:
    """The weights that are inputs, too: their values are what a run takes where it is given none."""
    weights = executable.program.metadata.get("overridable", [])
    return [TensorInfo(name, np.dtype(dtype), tuple(shape)) for name, dtype, shape in weights]


def with_weights_as_inputs(source: Source, options: SessionOptions, names: Iterable[str]) -> Executable:
    """The model compiled so that these weights are inputs like others."""
    model, wanted = edited_model(source, options), set(names)
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in wanted]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return _compile(model, options, _fixed_shapes(source, options))


# --- what is written, and read, beside ---------------------------------------------------------------------


def write_simplified(source: Source, options: SessionOptions) -> None:
    """The ONNX model with its functions inlined and all types inferred, in the file that the options name.

    What Lamina makes of it from there on is no ONNX any more; ``lamina.compile(...).save`` keeps that.
    """
    import onnx
    from onnx.external_data_helper import convert_model_to_external_data

    from ..frontend.model_file import load_model

    if options._entries.find("session.save_model_format").upper() == "ORT":
        raise failure(NotImplemented, "models are not written in ORT's own format; ONNX can be written")
    path = Path(options.optimized_model_filepath)
    model = load_model(edited_model(source, options))
    model = onnx.shape_inference.infer_shapes(model)
    external = options._entries.find(_EXTERNAL_FILE)
    if external:
        smallest = int(options._entries.find(_EXTERNAL_BYTES, "1024"))
        convert_model_to_external_data(model, location=external, size_threshold=smallest)
        (path.parent / external).unlink(missing_ok=True)
    try:
        onnx.save(model, path)
    except OSError as error:
        raise failure(InvalidArgument, f"the optimized model cannot be written to '{path}': {error}") from None


_CONFIGURED = ("intra_op_num_threads", "inter_op_num_threads", "enable_profiling")


def configured_by_model(source: Source, options: SessionOptions) -> SessionOptions:
    """The options with what the model's metadata ``ort_config`` asks for. Raises Fail where that cannot be read."""
    custom = {entry.key: entry.value for entry in parsed_model(source).metadata_props}
    if "ort_config" not in custom:
        return options
    try:
        asked = json.loads(custom["ort_config"])["session_options"]
        for name in _CONFIGURED:
            setattr(options, name, asked.get(name, getattr(options, name)))
        if "execution_mode" in asked:
            options.execution_mode = ExecutionMode(asked["execution_mode"])
        if "graph_optimization_level" in asked:
            options.graph_optimization_level = GraphOptimizationLevel(asked["graph_optimization_level"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise failure(Fail, f"the model's ort_config cannot be read: {error}") from None
    return options


def model_failure(error: LaminaError) -> OnnxRuntimeFailure:
    """An error of the compiler as one of onnxruntime's: an operator that nobody defines makes a graph invalid, one that
    is merely not compiled is not implemented."""
    problem = next(iter(getattr(error, "problems", ())), None)
    if problem is None or not problem.operator:
        return translated(error)
    if problem.is_internal:
        return translated(error, RuntimeException)
    from onnx import defs

    domain = "" if problem.domain == "ai.onnx" else problem.domain
    is_defined = domain == "com.microsoft" or defs.has(problem.operator, domain)
    return translated(error, None if is_defined else InvalidGraph)
