"""A session as onnxruntime's C layer has it: the model, its options, and every way to run it."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.binding import Binding
from ..runtime.errors import InputError, LaminaError
from ..runtime.executable import Executable
from ..runtime.inspection import observed_by
from ..runtime.segment import SegmentRunner
from . import logs, models
from .devices import CPU_MEMORY, NativeDevice, OrtEpDevice, OrtMemoryInfo
from .failures import Fail, InvalidArgument, MisuseError, OnnxRuntimeFailure, failure
from .feeds import explained, plain, require_names, select
from .nodes import ModelMetadata, NodeArg, OrtEpAssignedNode, OrtEpAssignedSubgraph
from .options import RunOptions, SessionOptions
from .providers import CPU, require_known
from .traces import Trace, TracedRun
from .values import NativeValue, OrtValueVector

_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"


class NativeSession:
    """``initialize_session`` loads or compiles the model. Runs may be called from any number of threads."""

    executable: Executable

    def __init__(
        self, options: SessionOptions, source: str | bytes, is_path: bool = False, config_from_model: bool = False
    ):
        self._source: models.Source = Path(str(source)) if is_path else bytes(source)  # pyright: ignore[reportArgumentType]
        self.session_options = options
        self._config_from_model = config_from_model
        self._variants: dict[frozenset[str], Executable] = {}
        self._trace: Trace | None = None
        self.get_profiling_start_time_ns = 0

    def initialize_session(
        self, providers: Sequence[str], provider_options: Sequence[Mapping[str, str]], disabled: Any = ()
    ) -> None:
        """Raises RuntimeError for a provider that nobody knows; those that are not here are passed over."""
        for name in providers:
            require_known(name)
        options = self.session_options
        if options.enable_profiling:
            self._start_profile()
        begin = time.monotonic_ns()
        try:
            if self._config_from_model:
                self.session_options = options = models.configured_by_model(self._source, options)
            self.executable = models.open_model(self._source, options)
        except LaminaError as error:
            raise models.model_failure(error) from error
        self.inputs_meta = [NodeArg(info) for info in self.executable.inputs]
        self.outputs_meta = [NodeArg(info) for info in self.executable.outputs]
        weights = models.overridable_weights(self.executable)
        self.overridable_initializers = [NodeArg(info) for info in weights]
        self._overridable = {info.name for info in weights}
        self._dtypes = {info.name: info.dtype for info in [*self.executable.inputs, *weights]}
        self.model_meta = ModelMetadata(self.executable.program.metadata)
        if options.enable_profiling and self._trace is None:
            self._start_profile()
        duration = time.monotonic_ns() - begin
        if self._trace is not None:
            self._trace.add("Session", "session_initialization", begin, duration)
        message = f"the model is ready after {duration / 1e6:.1f} ms, on {self.executable.threads} threads"
        logs.log(logs.INFO, "initialize_session", message, options.logid, options.log_severity_level)

    # --- what it is -------------------------------------------------------------------------------

    @property
    def input_meminfos(self) -> list[OrtMemoryInfo]:
        return [CPU_MEMORY for _ in self.inputs_meta]

    @property
    def output_meminfos(self) -> list[OrtMemoryInfo]:
        return [CPU_MEMORY for _ in self.outputs_meta]

    @property
    def input_epdevices(self) -> list[OrtEpDevice]:
        return [OrtEpDevice() for _ in self.inputs_meta]

    def get_providers(self) -> list[str]:
        return [CPU]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return {CPU: {}}

    def get_provider_graph_assignment_info(self) -> list[OrtEpAssignedSubgraph]:
        """The nodes of the model, each run by the processor. Raises Fail where the session was not asked to record."""
        if self.session_options._entries.find(_RECORD_ASSIGNMENT) != "1":
            raise failure(
                Fail,
                f"Session configuration entry '{_RECORD_ASSIGNMENT}' must be set to \"1\" to retrieve EP graph "
                "assignment information.",
            )
        nodes = models.parsed_model(self._source).graph.node
        return [OrtEpAssignedSubgraph(CPU, [OrtEpAssignedNode(node.name, node.domain, node.op_type)]) for node in nodes]

    def get_tuning_results(self) -> list[Any]:
        """None are kept by sessions."""
        return []

    def set_tuning_results(self, results: Sequence[Mapping[str, Any]], error_on_invalid: bool) -> None:
        """Raises RuntimeError for any, where ``error_on_invalid``."""
        for result in results:
            if error_on_invalid:
                provider = result.get("ep", "")
                raise MisuseError(f"Cannot find execution provider {provider} that takes tuning results")

    def set_ep_dynamic_options(self, options: Mapping[str, str]) -> None:
        """Accepted and without effect."""

    def is_webgpu_graph_capture_enabled(self) -> bool:
        return False

    def release_captured_graph(self, annotation: int) -> None:
        """Nothing is captured."""

    # --- running ----------------------------------------------------------------------------------

    def run(
        self, output_names: Sequence[str], feeds: Mapping[str, Any], run_options: RunOptions | None = None
    ) -> list[Any]:
        """The outputs named, in that order. Raises errors that are both Lamina's and onnxruntime's."""
        return select(self.run_all(feeds, run_options), require_names(output_names))

    def run_directly(self, feeds: Mapping[str, Any]) -> list[np.ndarray] | None:
        """All outputs, in the model's order, by its direct call; None where that is not for these feeds."""
        return self.executable.run_directly(feeds) if self._trace is None and not self._overridable else None

    def run_all(self, feeds: Mapping[str, Any], run_options: RunOptions | None = None) -> dict[str, np.ndarray]:
        """All outputs by name."""
        executable = self.executable
        if run_options is None:
            results = self.run_directly(feeds)
            if results is not None:
                return dict(zip([node.name for node in self.outputs_meta], results))
        try:
            if type(feeds) is not dict and not isinstance(feeds, Mapping):
                raise InputError("no dictionary")
            if any(isinstance(value, NativeValue) or hasattr(value, "_ortvalue") for value in feeds.values()):
                feeds = {name: plain(value, self._dtypes.get(name)) for name, value in feeds.items()}
            if run_options is None and not self._overridable and self._trace is None:
                return executable.run(feeds)
            return self._run_observed(feeds, run_options)
        except LaminaError as error:
            raise explained(error, self.inputs_meta, feeds) from error

    def _run_observed(self, feeds: Mapping[str, Any], run_options: RunOptions | None) -> dict[str, np.ndarray]:
        if run_options is not None:
            if not isinstance(run_options, RunOptions):
                raise TypeError(f"run_options: expected RunOptions, got a {type(run_options).__name__}")
            feeds = self._with_adapters(feeds, run_options)
            _require_going_on(run_options)
        executable = self._executable_for(feeds)
        begin = time.monotonic_ns()
        with self._observer(run_options):
            outputs = executable.run(feeds)
        if run_options is not None:
            _require_going_on(run_options)
        if self._trace is not None:
            self._trace.add("Session", "model_run", begin, time.monotonic_ns() - begin)
        return outputs

    @contextlib.contextmanager
    def _observer(self, run_options: RunOptions | None) -> Iterator[None]:
        if self._trace is not None:
            with observed_by(TracedRun(self._trace)):
                yield
        elif run_options is not None:
            with observed_by(_UntilTerminated(run_options)):
                yield
        else:
            yield

    def _executable_for(self, feeds: Mapping[str, Any]) -> Executable:
        """The model, or one that has the weights which are fed as inputs, compiled when they first are."""
        fed = self._overridable.intersection(feeds)
        if not fed:
            return self.executable
        # Those that are not given keep their values in the model.
        names = frozenset(fed)
        if names not in self._variants:
            self._variants[names] = models.with_weights_as_inputs(self._source, self.session_options, names)
        return self._variants[names]

    def _with_adapters(self, feeds: Mapping[str, Any], run_options: RunOptions) -> Mapping[str, Any]:
        for adapter in run_options._adapters:
            feeds = {**adapter.arrays(), **feeds}
        return feeds

    def run_with_ort_values(
        self, feeds: Mapping[str, NativeValue], output_names: Sequence[str], run_options: RunOptions | None = None
    ) -> OrtValueVector:
        return OrtValueVector(NativeValue(content) for content in self.run(output_names, feeds, run_options))

    def run_with_ortvaluevector(
        self,
        run_options: RunOptions | None,
        feed_names: Sequence[str],
        feeds: Sequence[NativeValue],
        fetch_names: Sequence[str],
        fetches: OrtValueVector,
        fetch_devices: Sequence[NativeDevice],
    ) -> None:
        """The outputs are put into ``fetches``, which is emptied before."""
        results = self.run_with_ort_values(dict(zip(feed_names, feeds, strict=True)), fetch_names, run_options)
        fetches[:] = results

    def run_async(
        self,
        output_names: Sequence[str],
        feeds: Mapping[str, Any],
        callback: Callable[[list[Any], Any, str], None] | None,
        user_data: Any,
        run_options: RunOptions | None = None,
    ) -> None:
        """Calls ``callback(outputs, user_data, error)`` in another thread, once the outputs are there or it failed."""
        if self.session_options.intra_op_num_threads == 1:
            raise failure(InvalidArgument, "intra op thread pool must have at least one thread for RunAsync")
        names, given = require_names(output_names), dict(feeds)

        def work() -> None:
            results, reason = [], ""
            try:
                results = self.run(names, given, run_options)
            except Exception as error:
                reason = error.reason if isinstance(error, OnnxRuntimeFailure) else str(error)
            if callback is not None:
                callback(results, user_data, reason)

        threading.Thread(target=work, name="lamina run_async", daemon=True).start()

    def run_with_iobinding(self, binding: Any, run_options: RunOptions | None = None) -> None:
        binding.run(run_options)

    # --- profiles ---------------------------------------------------------------------------------

    def _start_profile(self) -> None:
        self._trace = Trace(self.session_options.profile_file_prefix)
        self.get_profiling_start_time_ns = self._trace.start
        weakref.finalize(self, self._trace.finish)

    def end_profiling(self) -> str:
        """Writes the trace, and gives the name of its file; without a profile, an empty one."""
        trace, self._trace = self._trace, None
        return trace.finish() if trace is not None else ""

    # --- memory -----------------------------------------------------------------------------------

    def create_ortvalue_from_shape_and_type(
        self, shape: Sequence[int], element_type: Any, device: NativeDevice
    ) -> NativeValue:
        return NativeValue.ortvalue_from_shape_and_type(shape, element_type, device)

    def create_ortvalue_from_shape_and_onnx_type(
        self, shape: Sequence[int], code: int, device: NativeDevice
    ) -> NativeValue:
        return NativeValue.ortvalue_from_shape_and_onnx_type(shape, code, device)


class _UntilTerminated:
    """Runs segments until the options ask for an end."""

    def __init__(self, options: RunOptions):
        self._options = options

    def run(self, runner: SegmentRunner, binding: Binding, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        _require_going_on(self._options)
        return runner.run_with(binding, arrays, runner.execute)


def _require_going_on(options: RunOptions) -> None:
    if options.terminate:
        raise failure(Fail, "Exiting due to terminate flag being set to true.")
