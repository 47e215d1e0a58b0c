"""Calls of onnxruntime's interface, each a function of the module that has it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as real
from lamina.as_onnxruntime import native as ours_native
from lamina.as_onnxruntime.collection import check_and_normalize_provider_args as ours_normalize
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as real_native
from onnxruntime.capi.onnxruntime_inference_collection import check_and_normalize_provider_args as real_normalize

F32 = TensorProto.FLOAT
X = np.arange(6, dtype=np.float32).reshape(2, 3)
W = np.ones(3, np.float32)
CPU = ["CPUExecutionProvider"]


def model_bytes(nodes, inputs, outputs, weights=(), ir_version=8, opset=17) -> bytes:
    infos = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]
    results = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs]
    graph = helper.make_graph(nodes, "g", infos, results, list(weights))
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version).SerializeToString()


def node(operator: str, inputs: list[str], output: str = "z", **attributes: Any):
    return helper.make_node(operator, inputs, [output], name=f"{operator}_node", **attributes)


FREE = ["N", 3]
WEIGHT = numpy_helper.from_array(W, "w")
ADD = model_bytes([node("Add", ["x", "y"])], [("x", F32, FREE), ("y", F32, FREE)], [("z", F32, FREE)])
WEIGHTED = model_bytes([node("Add", ["x", "w"])], [("x", F32, FREE)], [("z", F32, FREE)], [WEIGHT])
OVERRIDABLE = model_bytes([node("Add", ["x", "w"])], [("x", F32, FREE), ("w", F32, [3])], [("z", F32, FREE)], [WEIGHT])
INT64 = TensorProto.INT64
RESHAPE = model_bytes([node("Reshape", ["x", "s"])], [("x", F32, ["N"]), ("s", INT64, [2])], [("z", F32, None)])
GATHER = model_bytes([node("Gather", ["x", "s"])], [("x", F32, ["N"]), ("s", INT64, [2])], [("z", F32, None)])


def session(m: Any, model: Any = ADD, options: Any = None, providers: Any = CPU, **kwargs: Any) -> Any:
    return m.InferenceSession(model, options, providers=providers, **kwargs)


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    """Whether it raises; the classes of the two differ."""
    try:
        call(*arguments, **named)
    except Exception:
        return True
    return False


def feed(m: Any, **changed: Any) -> Any:
    return session(m).run(None, {"x": X, "y": X, **changed})


def options(m: Any, **fields: Any) -> Any:
    made = m.SessionOptions()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def field(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda m: getattr(options(m, **{name: value}), name)


def value(m: Any, array: np.ndarray = X, *device: Any) -> Any:
    return m.OrtValue.ortvalue_from_numpy(array, *device)


def described(v: Any) -> Any:
    kinds = v.is_tensor(), v.is_sparse_tensor(), v.is_tensor_sequence(), v.has_value()
    return v.shape(), v.data_type(), v.element_type(), v.tensor_size_in_bytes(), v.device_name(), kinds


def updated(m: Any, data: Any) -> Any:
    target = value(m, np.zeros((2, 3), np.float32))
    target.update_inplace(data(m) if callable(data) else data)
    return target.numpy()


def configured(m: Any, *entries: tuple[Any, Any]) -> Any:
    made = m.SessionOptions()
    for key, text in entries:
        made.add_session_config_entry(key, text)
    return made.get_session_config_entry("a")


def with_weight(m: Any, name: str, array: Any, model: bytes = WEIGHTED) -> Any:
    made = m.SessionOptions()
    kept = value(m, array) if isinstance(array, np.ndarray) else array
    made.add_initializer(name, kept)
    return session(m, model, made).run(None, {"x": X})


def bound(m: Any, *steps: Callable[[Any, Any], Any], run: bool = True) -> Any:
    opened = session(m)
    binding = opened.io_binding()
    for step in steps:
        step(m, binding)
    if run:
        opened.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu(), [v.numpy() for v in binding.get_outputs()]


def bind_inputs(m: Any, binding: Any) -> None:
    binding.bind_cpu_input("x", X)
    binding.bind_ortvalue_input("y", value(m))


def device_numbers(device: Any) -> Any:
    return device.device_id(), device.device_type(), device.device_vendor_id(), device.device_mem_type()


def sparse(m: Any, indices: Any = (3, 5, 15), device: str = "cpu", kind: Any = np.float32) -> Any:
    values = np.array([1, 2, 3]).astype(kind)
    return m.SparseTensor.sparse_coo_from_numpy(
        [9, 9], values, np.array(indices, np.int64), m.OrtDevice.make(device, 0)
    )


def of_sparse(t: Any) -> Any:
    writeable = t.values().flags.writeable, t.as_coo_view().indices().flags.writeable
    names = t.format().name, t.dense_shape(), t.data_type(), t.device_name()
    return *names, t.values(), t.as_coo_view().indices(), writeable


def by_rows(m: Any) -> Any:
    inner, outer = np.array([1, 1, 1]), np.array([0, 1, 2, 3, 3, 3, 3, 3, 3, 3])
    device = m.OrtDevice.make("cpu", 0)
    return m.SparseTensor.sparse_csr_from_numpy([9, 9], W, inner, outer, device)


def memory(m: Any, name: str = "Cpu") -> Any:
    info = m.OrtMemoryInfo(name, m.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, m.OrtMemType.DEFAULT)
    kinds = info.mem_type.name, info.allocator_type.name, info.device_mem_type.name
    return info.name, info.device_id, int(info.device_vendor_id), kinds


def arena(m: Any, *arguments: Any) -> Any:
    made = m.OrtArenaCfg(*arguments)
    return made.max_mem, made.arena_extend_strategy, made.initial_chunk_size_bytes, made.max_dead_bytes_per_chunk


def terminated(m: Any) -> Any:
    run = m.RunOptions()
    run.terminate = True
    return session(m).run(None, {"x": X, "y": X}, run)


def run_entry(m: Any, key: str) -> Any:
    run = m.RunOptions()
    run.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    session(m).run([], {"x": X, "y": X}, run)
    return run.get_run_config_entry(key)


def asynchronous(m: Any, feeds: Any, names: Any = None) -> Any:
    done, got = threading.Event(), []
    opened = session(m, ADD, options(m, intra_op_num_threads=2))

    def callback(results: Any, data: Any, error: str) -> None:
        got.append((results, data, bool(error)))
        done.set()

    opened.run_async(names, feeds, callback, "data")
    assert done.wait(20)
    return got


def overridden(m: Any, feeds: Any, model: bytes = OVERRIDABLE) -> Any:
    return session(m, model).run(None, feeds)


def metadata(m: Any) -> Any:
    meta = session(m).get_modelmeta()
    return meta.producer_name, meta.graph_name, meta.domain, meta.description, meta.version, meta.custom_metadata_map


def fixed(m: Any, **sizes: int) -> Any:
    made = m.SessionOptions()
    for name, size in sizes.items():
        made.add_free_dimension_override_by_name(name, size)
    opened = session(m, ADD, made)
    return opened.get_inputs()[0].shape


def external(m: Any, in_memory: bool) -> Any:
    tensor = numpy_helper.from_array(W, "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="nowhere.bin")
    model = model_bytes([node("Add", ["x", "w"])], [("x", F32, FREE)], [("z", F32, FREE)], [tensor])
    made, kept = m.SessionOptions(), value(m, W * 5)
    if in_memory:
        content = (W * 5).tobytes()
        made.add_external_initializers_from_files_in_memory(["nowhere.bin"], [content], [len(content)])
    else:
        made.add_external_initializers(["w"], [kept])
    return session(m, model, made).run(None, {"x": X})


def assigned(m: Any, recorded: bool) -> Any:
    made = m.SessionOptions()
    if recorded:
        made.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    found = session(m, ADD, made).get_provider_graph_assignment_info()
    return [(s.ep_name, [(n.domain, n.op_type, n.name) for n in s.get_nodes()]) for s in found]


def by_vector(m: Any) -> Any:
    opened = session(m)
    native = real_native if m is real else ours_native
    feeds, fetched = native.OrtValueVector(), native.OrtValueVector()
    for _ in range(2):
        feeds.push_back(value(m)._ortvalue)
    places = [m.OrtDevice.make("cpu", 0)._get_c_device()]
    opened.run_with_ortvaluevector(native.RunOptions(), ["x", "y"], feeds, ["z"], fetched, places)
    return len(fetched), fetched[0].numpy()


def normalized(m: Any, *arguments: Any) -> Any:
    return (real_normalize if m is real else ours_normalize)(*arguments, ["a", "b", "c"])


def text_model() -> bytes:
    return model_bytes(
        [node("Identity", ["x"])], [("x", TensorProto.STRING, [2, 2])], [("z", TensorProto.STRING, [2, 2])]
    )


def sequence_model(operator: str) -> bytes:
    """The length of a sequence, or a sequence of what is given."""
    sequence = helper.make_tensor_sequence_value_info("x", F32, None)
    tensor = helper.make_tensor_value_info("x", F32, ["N"])
    length = helper.make_tensor_value_info("z", INT64, [])
    given, result = (
        (sequence, length)
        if operator == "SequenceLength"
        else (tensor, helper.make_tensor_sequence_value_info("z", F32, None))
    )
    graph = helper.make_graph([node(operator, ["x"])], "g", [given], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def of_text(m: Any, given: Any) -> Any:
    opened = session(m, text_model())
    (found,) = opened.run(None, {"x": given})
    return opened.get_inputs()[0].type, found.dtype.kind, found.tolist()


def of_sequence(m: Any, operator: str, given: Any) -> Any:
    opened = session(m, sequence_model(operator))
    return opened.get_inputs()[0].type, opened.get_outputs()[0].type, opened.run(None, {"x": given})


WORDS = [["this", "is"], ["Olá", "你好"]]

CASES: dict[str, Callable[[Any], Any]] = {
    # feeds
    "missing": lambda m: session(m).run(None, {"x": X}),
    "unknown": lambda m: feed(m, q=X),
    "output": lambda m: session(m).run(["nope"], {"x": X, "y": X}),
    "output twice": lambda m: session(m).run(["z", "z"], {"x": X, "y": X}),
    "outputs in a tuple": lambda m: session(m).run(("z",), {"x": X, "y": X}),
    "outputs as text": lambda m: session(m).run("z", {"x": X, "y": X}),
    "rank": lambda m: feed(m, x=X[0]),
    "dimension": lambda m: feed(m, x=np.ones((2, 4), np.float32)),
    "type": lambda m: feed(m, x=X.astype(np.float64)),
    "list": lambda m: feed(m, x=X.tolist()),
    "integers": lambda m: feed(m, x=[[1, 2, 3], [4, 5, 6]]),
    "text for numbers": lambda m: refused(feed, m, x="abc"),
    "an object": lambda m: refused(feed, m, x=object()),
    "no dictionary": lambda m: session(m).run(None, [X, X]),
    "not contiguous": lambda m: feed(m, x=np.ones((3, 2), np.float32).T),
    "empty": lambda m: session(m).run(None, {"x": X[:0], "y": X[:0]}),
    "values": lambda m: feed(m, x=value(m)),
    "no run options": lambda m: session(m).run(None, {"x": X, "y": X}, 3),
    "text": lambda m: of_text(m, np.array(WORDS)),
    "text in objects": lambda m: of_text(m, np.array(WORDS, object)),
    "text in lists": lambda m: of_text(m, WORDS),
    "sequence": lambda m: of_sequence(m, "SequenceLength", [X, X]),
    "empty sequence": lambda m: of_sequence(m, "SequenceLength", []),
    "sequence out": lambda m: of_sequence(m, "SequenceConstruct", X[0]),
    # models
    "no file": lambda m: session(m, "nope.onnx"),
    "a folder": lambda m: session(m, "/tmp"),
    "garbage": lambda m: session(m, b"abcdef"),
    "no bytes": lambda m: session(m, b""),
    "a number": lambda m: session(m, 3),
    "none": lambda m: session(m, None),
    "a bytearray": lambda m: session(m, bytearray(ADD)),
    "a proto": lambda m: session(m, onnx.ModelProto.FromString(ADD)),
    "unknown operator": lambda m: session(m, model_bytes([node("Foo", ["x"])], [("x", F32, [3])], [("z", F32, [3])])),
    "reshape fails": lambda m: session(m, RESHAPE).run(None, {"x": np.ones(6, np.float32), "s": np.array([4, 4])}),
    "index fails": lambda m: session(m, GATHER).run(None, {"x": np.ones(6, np.float32), "s": np.array([4, 44])}),
    "metadata": metadata,
    "nodes": lambda m: [str(n) for n in (*session(m).get_inputs(), *session(m).get_outputs())],
    # providers
    "absent provider": lambda m: session(m, providers=["CUDAExecutionProvider", *CPU]).get_providers(),
    "unknown provider": lambda m: session(m, providers=["Bogus"]).get_providers(),
    "unknown provider alone": lambda m: session(m, providers=["Bogus"], enable_fallback=0),
    "twice": lambda m: session(m, providers=CPU * 2).get_providers(),
    "options of one": lambda m: session(m, providers=[(CPU[0], {"a": 1})]).get_provider_options(),
    "set unknown": lambda m: session(m).set_providers(["InvalidProvider"]),
    "set absent": lambda m: session(m).set_providers(["CUDAExecutionProvider"]),
    "the last one": lambda m: (m.get_all_providers()[-1], CPU[0] in m.get_available_providers(), m.get_device()),
    "normalized": lambda m: normalized(m, [("a", {1: 2}), "b"], None),
    "normalized options": lambda m: normalized(m, ["a", "b"], [{1: 2}, {}]),
    "normalized number": lambda m: normalized(m, 3, None),
    "normalized lengths": lambda m: normalized(m, ["a", "b"], [{1: 2}]),
    "normalized mixture": lambda m: normalized(m, [("a", {1: 2})], [{3: 4}]),
    "added": lambda m: (o := m.SessionOptions(), o.add_provider(CPU[0], {}), o.has_providers())[2],
    "added unknown": lambda m: m.SessionOptions().add_provider("Bogus", {}),
    # options
    "misspelt": field("intra_op_num_thread", 1),
    "threads as text": field("intra_op_num_threads", "a"),
    "threads as a float": field("inter_op_num_threads", 1.5),
    "level as a number": field("graph_optimization_level", 99),
    "mode as a number": field("execution_mode", 1),
    "severity as text": field("log_severity_level", "x"),
    "id as a number": field("logid", 3),
    "path as a path": field("optimized_model_filepath", Path("a")),
    "truth of a number": field("enable_profiling", 1),
    "truth of text": field("enable_mem_pattern", "a"),
    "defaults": lambda m: [
        getattr(m.SessionOptions(), name)
        for name in ("enable_cpu_mem_arena", "enable_profiling", "log_severity_level", "profile_file_prefix",
                     "use_deterministic_compute", "use_per_session_threads", "intra_op_num_threads")
    ],
    "names of enumerations": lambda m: (str(m.SessionOptions().graph_optimization_level), int(m.ExecutionMode(1))),
    "misspelt for a run": lambda m: setattr(m.RunOptions(), "nope", 1),
    "entry": lambda m: configured(m, ("a", "1"), ("a", "2")),
    "no entry": lambda m: configured(m),
    "entry of a number": lambda m: configured(m, ("a", 1)),
    "entry without a key": lambda m: configured(m, ("", "1")),
    "entry of a run": lambda m: run_entry(m, "memory.enable_memory_arena_shrinkage"),
    "no entry of a run": lambda m: run_entry(m, "a"),
    "fixed": lambda m: fixed(m, N=4),
    "fixed elsewhere": lambda m: fixed(m, M=4),
    "fixed to text": lambda m: fixed(m, N="a"),
    "library": lambda m: m.SessionOptions().register_custom_ops_library("/nope.so"),
    "weight": lambda m: with_weight(m, "w", W * 7),
    "weight of no name": lambda m: with_weight(m, "nope", W * 7),
    "overridable weight": lambda m: with_weight(m, "w", W * 7, OVERRIDABLE),
    "weight that is an array": lambda m: m.SessionOptions().add_initializer("w", W),
    "weight twice": lambda m: (o := m.SessionOptions(), v := value(m), [o.add_initializer("w", v) for _ in range(2)]),
    "external weight": lambda m: external(m, False),
    "external file": lambda m: external(m, True),
    "canceled": lambda m: (o := m.SessionOptions(), o.set_load_cancellation_flag(True), session(m, ADD, o)),
    # weights that a run may replace
    "overridable": lambda m: [str(n) for n in session(m, OVERRIDABLE).get_overridable_initializers()],
    "not overridden": lambda m: overridden(m, {"x": X}),
    "overridden": lambda m: overridden(m, {"x": X, "w": W * 5}),
    "not to be overridden": lambda m: overridden(m, {"x": X, "w": W}, WEIGHTED),
    # runs
    "terminated": terminated,
    "run later": lambda m: asynchronous(m, {"x": X, "y": X}),
    "run later, named": lambda m: asynchronous(m, {"x": X, "y": X}, ["z"]),
    "run later, wrong": lambda m: asynchronous(m, {"x": X, "y": X[:, :2].copy()}),
    "run later on one thread": lambda m: session(m, ADD, options(m, intra_op_num_threads=1)).run_async(
        None, {"x": X, "y": X}, print, None
    ),
    "values in and out": lambda m: [
        v.numpy() for v in session(m).run_with_ort_values(["z"], {"x": value(m), "y": value(m)})
    ],
    "arrays as values": lambda m: session(m).run_with_ort_values(["z"], {"x": X, "y": X}),
    "vectors": by_vector,
    "no profile": lambda m: session(m).end_profiling(),
    "assigned": lambda m: assigned(m, True),
    "not recorded": lambda m: assigned(m, False),
    "tuning": lambda m: (session(m).get_tuning_results(), session(m).set_tuning_results([], error_on_invalid=True)),
    "counts": lambda m: [len(getattr(session(m), f"get_{kind}")()) for kind in
                         ("input_memory_infos", "output_memory_infos", "input_epdevices")],
    # values
    "value": lambda m: described(value(m)),
    "value of halves": lambda m: described(value(m, X.astype(np.float16))),
    "value of a list": lambda m: m.OrtValue.ortvalue_from_numpy([1, 2]),
    "value of text": lambda m: value(m, np.array(["a"])),
    "value of complex numbers": lambda m: value(m, X.astype(np.complex64)),
    "value elsewhere": lambda m: value(m, X, "cuda", 0),
    "value of an array": lambda m: m.OrtValue(X),
    "value of a shape": lambda m: described(m.OrtValue.ortvalue_from_shape_and_type([2, 3], np.int64)),
    "value of a name": lambda m: described(m.OrtValue.ortvalue_from_shape_and_type([2, 3], "float32")),
    "value of bfloat16": lambda m: described(m.OrtValue.ortvalue_from_shape_and_type([2, 3], TensorProto.BFLOAT16)),
    "value of float8": lambda m: described(m.OrtValue.ortvalue_from_shape_and_type([2], TensorProto.FLOAT8E5M2)),
    "value of a wrong shape": lambda m: m.OrtValue.ortvalue_from_shape_and_type([-1], np.float32),
    "value of a wrong type": lambda m: m.OrtValue.ortvalue_from_shape_and_type([1], "foo"),
    "value of a wrong number": lambda m: m.OrtValue.ortvalue_from_shape_and_type([1], 99),
    "bits": lambda m: described(m.OrtValue.ortvalue_from_numpy_with_onnx_type(X.astype(np.uint16), 16)),
    "bits of another width": lambda m: m.OrtValue.ortvalue_from_numpy_with_onnx_type(X, 16),
    "bits of no type": lambda m: m.OrtValue.ortvalue_from_numpy_with_onnx_type(X, 99),
    "updated": lambda m: updated(m, X),
    "updated, other shape": lambda m: updated(m, np.ones((3, 2), np.float32)),
    "updated, other size": lambda m: updated(m, np.ones((3, 3), np.float32)),
    "updated, not contiguous": lambda m: updated(m, np.ones((3, 2), np.float32).T),
    "updated by a list": lambda m: updated(m, [1]),
    "updated by a value": lambda m: updated(m, value),
    "updated by another type": lambda m: updated(m, lambda m: value(m, X.astype(np.float64))),
    "from dlpack": lambda m: (v := m.OrtValue.from_dlpack(X), v.numpy(), v.data_ptr() == X.ctypes.data)[1:],
    "from dlpack again": lambda m: described(m.OrtValue.from_dlpack(value(m, X > 2))),
    "from dlpack, empty": lambda m: m.OrtValue.from_dlpack(np.zeros((1, 8, 0, 4), np.float32)).shape(),
    "from dlpack, not contiguous": lambda m: m.OrtValue.from_dlpack(np.ones((4, 4), np.float32)[:, ::2]),
    "from no dlpack": lambda m: m.OrtValue.from_dlpack(3),
    "to dlpack": lambda m: (np.from_dlpack(value(m)), value(m).__dlpack_device__()),
    "as an array": lambda m: (np.asarray(v := value(m)).ctypes.data == v.data_ptr(), np.asarray(v, np.float64)),
    # bindings
    "bound": lambda m: bound(m, bind_inputs, lambda m, b: b.bind_output("z")),
    "bound to unknown input": lambda m: bound(m, lambda m, b: b.bind_cpu_input("q", X)),
    "bound to unknown output": lambda m: refused(bound, m, bind_inputs, lambda m, b: b.bind_output("q")),
    "bound list": lambda m: bound(m, lambda m, b: b.bind_cpu_input("x", [[1.0]])),
    "nothing bound": lambda m: bound(m, bind_inputs),
    "bound without a type": lambda m: bound(m, lambda m, b: b.bind_output("z", "cpu", 0, None, None, 1)),
    "bound to too much": lambda m: refused(
        bound, m, bind_inputs, lambda m, b: b.bind_ortvalue_output("z", value(m, np.zeros((5, 3), np.float32)))
    ),
    "bound twice": lambda m: bound(m, bind_inputs, lambda m, b: b.bind_output("z"), lambda m, b: b.bind_output("z")),
    "cleared": lambda m: bound(m, bind_inputs, lambda m, b: (b.bind_output("z"), b.clear_binding_outputs())),
    "of another session": lambda m: session(m).run_with_iobinding(session(m).io_binding()),
    # devices
    "device": lambda m: device_numbers(m.OrtDevice.make("cpu", 0)),
    "graphics": lambda m: device_numbers(m.OrtDevice.make("cuda", 1)),
    "no device": lambda m: refused(m.OrtDevice.make, "bogus", 0),
    "device of a number": lambda m: m.OrtDevice(3),
    "memory": memory,
    "memory elsewhere": lambda m: memory(m, "CudaPinned"),
    "no memory": lambda m: memory(m, "Bogus"),
    "arena": lambda m: arena(m, 8, 0, 4, 2),
    "arena by name": lambda m: arena(m, {"max_mem": 16, "arena_extend_strategy": 1}),
    "arena misspelt": lambda m: arena(m, {"nope": 1}),
    "arena of text": lambda m: arena(m, {"max_mem": "a"}),
    "allocator elsewhere": lambda m: m.create_and_register_allocator_v2(
        "CUDAExecutionProvider",
        m.OrtMemoryInfo("Cuda", m.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, m.OrtMemType.DEFAULT), {}, None,
    ),
    "devices there": lambda m: [(d.ep_name, d.device.type.name) for d in m.get_ep_devices()],
    "vendor": lambda m: (int(m.OrtDeviceVendorId.NVIDIA), m.OrtMemoryInfoDeviceType.NPU.name),
    # sparse tensors
    "sparse": lambda m: of_sparse(sparse(m)),
    "sparse by pairs": lambda m: of_sparse(sparse(m, [[3, 5], [1, 1], [2, 2]])),
    "sparse text": lambda m: of_sparse(sparse(m, kind=str))[:4],
    "sparse by rows": lambda m: (by_rows(m).as_csrc_view().inner(), by_rows(m).as_csrc_view().outer()),
    "sparse, other view": lambda m: sparse(m).as_csrc_view(),
    "sparse, few indices": lambda m: sparse(m, (3, 5)),
    "sparse elsewhere": lambda m: sparse(m, device="cuda"),
    "sparse, copied": lambda m: sparse(m).to_cuda(m.OrtDevice.make("cuda", 0)),
    "sparse value": lambda m: (v := m.OrtValue.ort_value_from_sparse_tensor(sparse(m)), v.is_sparse_tensor(),
                               v.is_tensor(), v.data_type(), v.shape(), of_sparse(v.as_sparse_tensor()))[1:],
    "no sparse value": lambda m: value(m).as_sparse_tensor(),
    # the process
    "severity": lambda m: m.set_default_logger_severity(9),
    "callback": lambda m: m.set_default_logger_callback("x"),
    "callback's severity": lambda m: m.set_default_logger_callback(print, severity=5),
    "seed": lambda m: m.set_seed("a"),
    "no library": lambda m: m.register_execution_provider_library("a", "/nope.so"),
    "not registered": lambda m: m.unregister_execution_provider_library("a"),
    "nothing": lambda m: (m.preload_dlls(), m.enable_telemetry_events(), m.has_collective_ops()),
    # adapters and compiling
    "no adapter": lambda m: m.LoraAdapter().Load("/nope"),
    "no adapter to read": lambda m: m.AdapterFormat.read_adapter("/nope"),
    "new adapter": lambda m: (a := m.AdapterFormat(), a.get_format_version(), a.get_adapter_version())[1:],
    "compiled": lambda m: session(m, m.ModelCompiler(m.SessionOptions(), ADD).compile_to_bytes()).run(
        None, {"x": X, "y": X}
    ),
    "compiled nothing": lambda m: m.ModelCompiler(m.SessionOptions(), b""),
    "compiled a number": lambda m: m.ModelCompiler(m.SessionOptions(), 3),
    "compiled no file": lambda m: m.ModelCompiler(m.SessionOptions(), "/nope.onnx").compile_to_bytes(),
}  # fmt: skip
