"""``InferenceSession`` with onnxruntime's signatures, so that packages written for it run unchanged."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..runtime.executable import Executable
from .binding import IOBinding
from .devices import OrtDevice, OrtEpDevice, OrtMemoryInfo
from .failures import MisuseError
from .feeds import require_names
from .native_session import NativeSession
from .nodes import ModelMetadata, NodeArg, OrtEpAssignedSubgraph
from .options import RunOptions, SessionOptions, get_default_session_options
from .providers import AVAILABLE, CPU, check_and_normalize_provider_args
from .values import OrtValue, OrtValueVector

_CONFIG_FROM_MODEL = "ORT_LOAD_CONFIG_FROM_MODEL"


class Session:
    """What every session can do, once ``_sess`` is there."""

    _sess: NativeSession
    _sess_options: SessionOptions
    _enable_fallback: bool = True

    @property
    def executable(self) -> Executable:
        """The compiled model."""
        return self._sess.executable

    # --- what it is -------------------------------------------------------------------------------

    def get_session_options(self) -> SessionOptions:
        return self._sess_options

    def get_inputs(self) -> list[NodeArg]:
        return self._inputs_meta

    def get_outputs(self) -> list[NodeArg]:
        return self._outputs_meta

    def get_overridable_initializers(self) -> list[NodeArg]:
        """The weights that are inputs, too: a run may be fed others in their place."""
        return self._overridable_initializers

    def get_modelmeta(self) -> ModelMetadata:
        return self._model_meta

    def get_input_memory_infos(self) -> list[OrtMemoryInfo]:
        return self._sess.input_meminfos

    def get_output_memory_infos(self) -> list[OrtMemoryInfo]:
        return self._sess.output_meminfos

    def get_input_epdevices(self) -> list[OrtEpDevice]:
        return self._sess.input_epdevices

    def get_providers(self) -> list[str]:
        return self._providers

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return self._provider_options

    def get_provider_graph_assignment_info(self) -> list[OrtEpAssignedSubgraph]:
        return self._sess.get_provider_graph_assignment_info()

    def _bind_session(self, native: NativeSession) -> None:
        self._sess = native
        self._sess_options = native.session_options
        self._inputs_meta = native.inputs_meta
        self._outputs_meta = native.outputs_meta
        self._output_names = [node.name for node in native.outputs_meta]
        self._overridable_initializers = native.overridable_initializers
        self._model_meta = native.model_meta
        self._providers = native.get_providers()
        self._provider_options = native.get_provider_options()

    # --- running ----------------------------------------------------------------------------------

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: RunOptions | None = None
    ) -> list[Any]:
        """The outputs named, or all in the model's order where ``output_names`` is None or empty."""
        if not output_names or output_names == self._output_names:
            results = self._sess.run_directly(input_feed) if run_options is None else None
            return results if results is not None else list(self._sess.run_all(input_feed, run_options).values())
        return self._sess.run(output_names, input_feed, run_options)

    def run_async(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        callback: Callable[[list[Any], Any, str], None] | None,
        user_data: Any,
        run_options: RunOptions | None = None,
    ) -> None:
        """Calls ``callback(outputs, user_data, error)`` in another thread, when the outputs are there."""
        names = require_names(output_names) if output_names else self._output_names
        self._sess.run_async(names, input_feed, callback, user_data, run_options)

    def run_with_ort_values(
        self,
        output_names: Sequence[str] | None,
        input_dict_ort_values: Mapping[str, OrtValue],
        run_options: RunOptions | None = None,
    ) -> list[OrtValue]:
        feeds = {name: value._get_c_value() for name, value in input_dict_ort_values.items()}
        names = output_names or self._output_names
        return [OrtValue(value) for value in self._sess.run_with_ort_values(feeds, names, run_options)]

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        """Raises ValueError for a binding that another session has made."""
        if iobinding._session is not self._sess:
            raise ValueError("IOBinding must be used with the session that created it.")
        self._sess.run_with_iobinding(iobinding._iobinding, run_options)

    def run_with_ortvaluevector(
        self,
        run_options: RunOptions | None,
        feed_names: Sequence[str],
        feeds: OrtValueVector,
        fetch_names: Sequence[str],
        fetches: OrtValueVector,
        fetch_devices: Sequence[Any],
    ) -> None:
        self._sess.run_with_ortvaluevector(run_options, feed_names, feeds, fetch_names, fetches, fetch_devices)

    def io_binding(self) -> IOBinding:
        return IOBinding(self)

    def create_ortvalue_from_shape_and_type(
        self, shape: Sequence[int], element_type: Any, device_type: str, device_id: int = 0, vendor_id: int = -1
    ) -> OrtValue:
        OrtDevice.make(device_type, device_id, vendor_id)
        return OrtValue.ortvalue_from_shape_and_type(shape, element_type, device_type, device_id, vendor_id)

    # --- the rest ---------------------------------------------------------------------------------

    def end_profiling(self) -> str:
        """Writes the trace that ``SessionOptions.enable_profiling`` asked for, and gives the name of its file."""
        return self._sess.end_profiling()

    def get_profiling_start_time_ns(self) -> int:
        """Of ``time.monotonic_ns``; 0 without a profile."""
        return self._sess.get_profiling_start_time_ns

    def get_tuning_results(self) -> list[Any]:
        return self._sess.get_tuning_results()

    def set_tuning_results(self, results: Sequence[Mapping[str, Any]], *, error_on_invalid: bool = False) -> None:
        self._sess.set_tuning_results(results, error_on_invalid)

    def set_ep_dynamic_options(self, options: Mapping[str, str]) -> None:
        self._sess.set_ep_dynamic_options(options)

    def release_captured_graph(self, graph_annotation_id: int = 0) -> None:
        """Nothing is captured."""

    def disable_fallback(self) -> None:
        """An unknown provider is an error from now on."""
        self._enable_fallback = False

    def enable_fallback(self) -> None:
        """The processor takes the place of an unknown provider."""
        self._enable_fallback = True


class InferenceSession(Session):
    """A model that runs. ``path_or_bytes`` is an ONNX model, which is compiled, or a compiled one, which is loaded.

    Raises LaminaError where the model cannot be read or compiled, which is one of onnxruntime's exceptions, too, and
    TypeError for what is neither a path nor bytes. Warns of providers that are not there.
    """

    def __init__(
        self,
        path_or_bytes: str | bytes | os.PathLike[str],
        sess_options: SessionOptions | None = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[Any, Any]] | None = None,
        **kwargs: Any,
    ):
        self._enable_fallback = int(kwargs.get("enable_fallback", 1)) == 1
        self._model_path = self._model_bytes = None
        if isinstance(path_or_bytes, (str, os.PathLike)):
            self._model_path = os.fspath(path_or_bytes)
        elif isinstance(path_or_bytes, bytes):
            self._model_bytes = path_or_bytes
        else:
            raise TypeError(f"Unable to load from type '{type(path_or_bytes)}'")
        self._sess_options_initial = sess_options
        self._fallback_providers = [CPU]
        asked = int(kwargs["read_config_from_model"]) if "read_config_from_model" in kwargs else None
        self._read_config_from_model = os.environ.get(_CONFIG_FROM_MODEL) == "1" if asked is None else asked == 1
        self._create_inference_session(providers, provider_options)

    def _create_inference_session(
        self, providers: Sequence[Any] | None, provider_options: Sequence[Mapping[Any, Any]] | None
    ) -> None:
        given = self._sess_options_initial
        if given is not None and providers and given.has_providers():
            warnings.warn(
                "Specified 'providers'/'provider_options' when creating InferenceSession but SessionOptions has "
                "already been configured with providers. InferenceSession will only use the providers "
                "passed to InferenceSession().",
                stacklevel=3,
            )
        try:
            names, options = check_and_normalize_provider_args(providers, provider_options, AVAILABLE)
            self._open(names, options)
        except (ValueError, MisuseError) as error:
            if not self._enable_fallback or not _is_of_providers(error):
                raise
            warnings.warn(f"{error}: falling back to {self._fallback_providers}", stacklevel=3)
            self._open(self._fallback_providers, [{}])

    def _open(self, providers: Sequence[str], options: Sequence[Mapping[str, str]]) -> None:
        given = self._sess_options_initial or get_default_session_options()
        source = self._model_path if self._model_path is not None else self._model_bytes
        assert source is not None
        native = NativeSession(given, source, self._model_path is not None, self._read_config_from_model)
        native.initialize_session(providers, options)
        self._bind_session(native)

    def set_providers(
        self, providers: Sequence[Any] | None = None, provider_options: Sequence[Mapping[Any, Any]] | None = None
    ) -> None:
        """Opens the model anew. Raises RuntimeError for a provider that nobody knows; warns of one that is not here."""
        names, options = check_and_normalize_provider_args(providers, provider_options, AVAILABLE)
        self._open(names, options)


def _is_of_providers(error: Exception) -> bool:
    """Whether an error is of what was said about providers, not of the model."""
    return type(error) in (ValueError, MisuseError)
