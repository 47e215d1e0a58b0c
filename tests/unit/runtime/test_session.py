from __future__ import annotations

import os
import subprocess
import sys
import types

import lamina
import numpy as np
import pytest
from lamina import as_onnxruntime as onnxruntime
from lamina.as_onnxruntime import InferenceSession, OrtValue, SessionOptions
from lamina.runtime.errors import InputError, LaminaError
from lamina.runtime.file_format import to_bytes
from lamina.runtime.program import ArrayType


@pytest.fixture(scope="module")
def compiled(kernels) -> bytes:
    program = kernels.add_program(["N", 3], "3*N")
    program.metadata = {"producer_name": "test", "version": 3, "custom": {"character": "a\nb"}}
    return to_bytes(kernels.executable(program))


@pytest.fixture
def session(compiled) -> InferenceSession:
    return InferenceSession(compiled)


def test_as_packages_use_it(compiled, tmp_path) -> None:
    path = tmp_path / "model.lamina"
    path.write_bytes(compiled)
    options = SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 2
    options.inter_op_num_threads = 1
    providers = [("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})]
    session = InferenceSession(str(path), sess_options=options, providers=providers)
    assert session.executable.threads == 2
    assert [(i.name, i.shape, i.type) for i in session.get_inputs()] == [
        ("a", ["N", 3], "tensor(float)"),
        ("b", ["N", 3], "tensor(float)"),
    ]
    assert [(o.name, o.shape, o.type) for o in session.get_outputs()] == [("c", ["N", 3], "tensor(float)")]
    a = np.ones((2, 3), np.float32)
    for names in (None, [], ["c"]):
        results = session.run(names, {"a": a, "b": a})
        assert isinstance(results, list) and len(results) == 1
        np.testing.assert_array_equal(results[0], a + a)
    assert "CPUExecutionProvider" in onnxruntime.get_available_providers()
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_modelmeta().custom_metadata_map["character"].splitlines() == ["a", "b"]
    assert session.get_modelmeta().version == 3


def test_expressions_have_no_name_in_onnxruntime(kernels) -> None:
    program = kernels.add_program(["N"], "N")
    name, tensor = program.outputs[0]
    program.outputs[0] = (name, ArrayType(tensor.dtype, ["N*1"]))
    assert InferenceSession(to_bytes(kernels.executable(program))).get_outputs()[0].shape == [None]


def test_wrong_use(session, tmp_path) -> None:
    with pytest.raises(InputError, match="missing"):
        session.run(None, {})
    with pytest.raises(InputError, match="no outputs"):
        session.run(["d"], {"a": np.ones((1, 3), np.float32), "b": np.ones((1, 3), np.float32)})
    with pytest.raises(InputError, match="no model file"):
        InferenceSession(tmp_path / "missing.onnx")


def test_fixed_dimensions_need_the_model(compiled) -> None:
    options = SessionOptions()
    options.add_free_dimension_override_by_name("N", 4)
    with pytest.raises(InputError, match=r"\['N'\] cannot be fixed"):
        InferenceSession(compiled, options)


def test_models_are_compiled(compiled, monkeypatch, tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, ["N", 3])
    node = onnx.helper.make_node("Relu", ["a"], ["b"])
    output = onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, ["N", 3])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "the graph", [value], [output]))
    onnx.helper.set_model_props(model, {"key": "text"})
    path = tmp_path / "model.onnx"
    onnx.save(model, path)

    calls = []

    def compile(model, *, shapes=None, threads=None, target="host", precision="f32"):
        calls.append((model, shapes, threads))
        executable = lamina.runtime.executable.from_bytes(compiled, threads)
        executable.program.metadata = {"graph_name": "the graph", "custom": {"key": "text"}}
        return executable

    stand_in = types.ModuleType("lamina.compiler")
    stand_in.compile = compile
    monkeypatch.setitem(sys.modules, "lamina.compiler", stand_in)
    options = SessionOptions()
    options.intra_op_num_threads = 2
    options.add_free_dimension_override_by_name("N", 4)
    for source in (path, str(path), path.read_bytes()):
        session = InferenceSession(source, options)
        assert session.get_modelmeta().graph_name == "the graph"
        assert session.get_modelmeta().custom_metadata_map == {"key": "text"}
    assert calls == [
        (path, {"N": 4}, 2),
        (path, {"N": 4}, 2),
        (path.read_bytes(), {"N": 4}, 2),
    ]


def test_bindings(session) -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    binding = session.io_binding()
    binding.bind_cpu_input("a", a)
    binding.bind_input("b", "cpu", 0, np.float32, a.shape, a.ctypes.data)
    binding.bind_output("c")
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], a + a)
    np.testing.assert_array_equal(binding.get_outputs()[0].numpy(), a + a)

    mine = np.zeros((2, 3), np.float32)
    binding.bind_output("c", "cpu", 0, np.float32, mine.shape, mine.ctypes.data)
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(mine, a + a)

    value = OrtValue.ortvalue_from_numpy(np.zeros((2, 3), np.float32))
    binding.bind_ortvalue_output("c", value)
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(value.numpy(), a + a)

    binding.bind_ortvalue_output("c", OrtValue.ortvalue_from_numpy(np.zeros((3, 3), np.float32)))
    with pytest.raises(InputError, match=r"output 'c' is float32 \[2, 3\], but it is bound"):
        session.run_with_iobinding(binding)
    with pytest.raises(LaminaError, match="no memory on the device"):
        binding.bind_output("c", "cuda")


def test_ort_values(session) -> None:
    value = OrtValue.ortvalue_from_numpy(np.ones((2, 3), np.float32))
    assert (value.shape(), value.data_type(), value.device_name()) == ([2, 3], "tensor(float)", "cpu")
    (result,) = session.run_with_ort_values(None, {"a": value, "b": value})
    assert result.numpy().tolist() == [[2, 2, 2]] * 2


def test_in_place_of_onnxruntime(compiled, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    lamina.replace_onnxruntime()
    import onnxruntime as replaced
    from onnxruntime import InferenceSession as Session

    assert Session is InferenceSession and replaced.capi._pybind_state.Fail is onnxruntime.failures.Fail
    assert replaced.get_device() == "CPU"
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        del sys.modules[name]


def test_the_public_names_are_there() -> None:
    for name in lamina.__all__:
        if name != "compile":
            assert getattr(lamina, name) is not None
    assert "InferenceSession" in dir(lamina)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        lamina.nonsense  # noqa: B018


def test_importing_is_fast(tmp_path) -> None:
    """Both what a program sees of the import, and what it costs beside NumPy's, in processor time, once it is compiled
    to bytecode, as what is installed is."""
    script = """
import time
begin = time.process_time()
import lamina
public = time.process_time() - begin
import numpy
begin = time.process_time()
lamina.InferenceSession
print(max(public, time.process_time() - begin))
"""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    command = [sys.executable, "-c", script]
    times = [
        float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
        for _ in range(4)
    ]
    assert min(times) < 0.15
