"""The same calls on onnxruntime and on Lamina in its place: the same results, or the same exceptions."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as real
import pytest
from lamina import as_onnxruntime as ours
from lamina.as_onnxruntime import native as ours_native
from onnx import TensorProto, helper
from onnxruntime_calls import (
    ADD,
    CASES,
    F32,
    INT64,
    OVERRIDABLE,
    WEIGHTED,
    W,
    X,
    model_bytes,
    node,
    options,
    refused,
    session,
    value,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quiet():
    real.set_default_logger_severity(4)
    yield
    real.set_default_logger_severity(2)


def outcome(call: Callable[[Any], Any], m: Any) -> tuple[Any, BaseException | None, set[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            return call(m), None, {w.category.__name__ for w in caught}
        except Exception as error:
            return None, error, {w.category.__name__ for w in caught}


@pytest.mark.parametrize("name", CASES)
def test_same_outcome(name: str) -> None:
    expected, error, warned = outcome(CASES[name], real)
    found, own, warned_too = outcome(CASES[name], ours)
    if error is not None:
        assert own is not None, f"no {error!r}"
        kinds = {kind.__name__ for kind in type(own).__mro__}
        assert type(error).__name__ in kinds, f"{own!r} is no {error!r}"
        assert not kinds & {"Fail", "InvalidArgument"} or isinstance(own, RuntimeError)
    else:
        assert own is None, own
        np.testing.assert_equal(found, expected)
    assert warned <= warned_too


def test_names_of_the_interface() -> None:
    """What programs import; left out is what concerns other devices and packages of models."""
    elsewhere = {"OrtSyncStream", "OrtEpContextData", "OrtEpContextDataBuffer", "onnxruntime_validation", "contextlib"}
    names = {n for n in dir(real) if not n.startswith("_") and not n.startswith("ModelPackage")} - elsewhere
    submodules = {"backend", "capi", "datasets", "quantization", "tools", "transformers"}
    versions = {"cuda_version", "package_name", "version", "import_capi_exception", "experimental"}
    assert names - submodules - versions <= set(dir(ours))


@pytest.mark.parametrize("writer, reader", [(real, ours), (ours, real), (ours, ours)], ids=["real", "ours", "both"])
def test_adapters_are_the_same_files(writer: Any, reader: Any, tmp_path: Path) -> None:
    tensors = {"w": W * 3, "other": np.arange(10).reshape(5, 2), "scalar": np.array(2.0), "empty": X[:0]}
    values = {name: value(writer, array) for name, array in tensors.items()}
    adapter = writer.AdapterFormat()
    adapter.set_adapter_version(3)
    adapter.set_model_version(5)
    adapter.set_parameters(values)
    path = str(tmp_path / "adapter")
    adapter.export_adapter(path)
    read = reader.AdapterFormat.read_adapter(path)
    assert (read.get_format_version(), read.get_adapter_version(), read.get_model_version()) == (1, 3, 5)
    found = {name: v.numpy() for name, v in read.get_parameters().items()}
    np.testing.assert_equal(found, tensors)
    assert {name: v.dtype for name, v in found.items()} == {name: v.dtype for name, v in tensors.items()}


@pytest.mark.parametrize("m", [real, ours], ids=["real", "ours"])
def test_a_run_with_an_adapter(m: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "adapter")
    written = ours.AdapterFormat()
    written.set_parameters({"w": value(ours, W * 3)})
    written.export_adapter(path)
    adapter, run = m.LoraAdapter(), m.RunOptions()
    adapter.Load(path)
    run.add_active_adapter(adapter)
    np.testing.assert_equal(session(m, OVERRIDABLE).run(None, {"x": X}, run)[0], X + 3)


def test_a_damaged_adapter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "adapter"
    path.write_bytes(b"\xff\xff\0\0TORT" + bytes(8))
    with pytest.raises(RuntimeError, match="damaged"):
        ours.LoraAdapter().Load(str(path))
    path.write_bytes(b"something else")
    with pytest.raises(RuntimeError, match="is no adapter"):
        ours.LoraAdapter().Load(path)


@pytest.mark.parametrize("m", [real, ours], ids=["real", "ours"])
def test_a_profile_is_a_trace(m: Any, tmp_path: Path) -> None:
    asked = options(m, enable_profiling=True, profile_file_prefix=str(tmp_path / "profile"))
    opened = session(m, ADD, asked)
    opened.run(None, {"x": X, "y": X})
    start = opened.get_profiling_start_time_ns()
    path = Path(opened.end_profiling())
    assert start > 0 and path.name.startswith("profile_") and path.suffix == ".json"
    events = [event for event in json.loads(path.read_text()) if event]
    assert all({"cat", "pid", "tid", "dur", "ts", "ph", "name", "args"} <= set(event) for event in events)
    names = [event["name"] for event in events]
    assert "model_run" in names and any("kernel_time" in name for name in names)


@pytest.mark.parametrize("m", [real, ours], ids=["real", "ours"])
def test_the_optimized_model_is_written(m: Any, tmp_path: Path) -> None:
    path = tmp_path / "optimized.onnx"
    asked = options(m, optimized_model_filepath=str(path))
    asked.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    asked.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "4")
    session(m, WEIGHTED, asked)
    assert path.is_file() and (tmp_path / "weights.bin").is_file()
    for reader in (real, ours):
        np.testing.assert_equal(session(reader, str(path)).run(None, {"x": X})[0], X + 1)
    assert refused(session, m, WEIGHTED, options(m, optimized_model_filepath=str(tmp_path / "no" / "folder.onnx")))


def test_options_from_the_model() -> None:
    model = onnx.ModelProto.FromString(ADD)
    helper.set_model_props(model, {"ort_config": json.dumps({"session_options": {"intra_op_num_threads": 2}})})
    opened = session(ours, model.SerializeToString(), read_config_from_model=1)
    assert opened.get_session_options().intra_op_num_threads == 2


@pytest.mark.parametrize("m", [real, ours], ids=["real", "ours"])
def test_sizes_by_denotation(m: Any) -> None:
    model = onnx.ModelProto.FromString(ADD)
    for given in model.graph.input:
        given.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    asked = m.SessionOptions()
    asked.add_free_dimension_override_by_denotation("DATA_BATCH", 3)
    assert session(m, model.SerializeToString(), asked).get_inputs()[0].shape == [3, 3]


def test_messages_reach_the_callback() -> None:
    messages: list[tuple[Any, ...]] = []
    ours.set_default_logger_callback(lambda *message: messages.append(message), severity=0)
    session(ours)
    ours.set_default_logger_callback(lambda *message: 1 / 0, severity=0)
    session(ours)  # A callback that fails ends nothing.
    ours.set_default_logger_callback(None)
    assert messages and [type(part) for part in messages[0]] == [int, str, str, str, str]


def test_another_thread_ends_a_run() -> None:
    """A loop of many turns, each of which computes: it goes on until it is told to stop."""
    body = helper.make_graph(
        [node("Identity", ["c"], "d"), node("MatMul", ["a", "a"], "b")],
        "body",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in
         [("i", INT64, []), ("c", TensorProto.BOOL, []), ("a", F32, [64, 64])]],
        [helper.make_tensor_value_info("d", TensorProto.BOOL, []), helper.make_tensor_value_info("b", F32, [64, 64])],
    )  # fmt: skip
    loop = helper.make_node("Loop", ["n", "", "x"], ["z"], body=body)
    model = model_bytes([loop], [("n", INT64, []), ("x", F32, [64, 64])], [("z", F32, [64, 64])])
    run, opened = ours.RunOptions(), session(ours, model)
    threading.Timer(0.2, lambda: setattr(run, "terminate", True)).start()
    begin = time.monotonic()
    with pytest.raises(ours_native.Fail, match="terminate flag"):
        opened.run(None, {"n": np.array(100_000_000), "x": np.zeros((64, 64), np.float32)}, run)
    assert time.monotonic() - begin < 20


def test_errors_are_of_both_kinds() -> None:
    import lamina

    opened = session(ours)
    with pytest.raises(ours_native.InvalidArgument) as caught:
        opened.run(None, {"x": X, "y": X[0]})
    assert isinstance(caught.value, (lamina.InputError, ValueError)) and "INVALID_ARGUMENT" in str(caught.value)
    with pytest.raises(lamina.InputError, match=r"Required inputs \(\['y'\]\) are missing from input feed \(\['x'\]\)"):
        opened.run(None, {"x": X})
    with pytest.raises(lamina.errors.UnsupportedOperatorError) as caught:
        session(ours, model_bytes([node("Foo", ["x"])], [("x", F32, [3])], [("z", F32, [3])]))
    assert caught.value.problems[0].operator == "Foo" and isinstance(caught.value, ours_native.InvalidGraph)
