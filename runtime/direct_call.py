"""A run of one segment on one thread, as a function that is written for the model.

A call of a small model costs more than what it computes. So for what most calls are, arrays of the right dtypes in a
dictionary, of shapes that were seen before, the steps of ``Executable.run`` and ``SegmentRunner.run`` are one function
without loops, of which native code does what it can. For a model with one input and one output it reads

    def run(feeds):
        try:
            a0 = feeds[name0]
            if type(a0) is not ndarray or a0.dtype is not dtype0 or not a0.flags.c_contiguous or ...:
                return None
            instances, template, binding, arena_bytes, native, shape0, size0 = table[a0.shape,]
            instance = instances.pop()
        except UNUSUAL:
            return None
        ...

It gives None for everything else, and where a kernel reports something: the general way then says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .binding import Binding
from .memory import may_read_array_objects
from .segment import ALIGNED_OUTPUT_BYTES, OBSERVER, SegmentRunner, aligned_empty

DirectCall = Callable[[Mapping[str, Any]], Any]

MAXIMUM_ENTRIES = 64
"""Combinations of shapes; the one that was added first goes first."""
BRIEF_NANOSECONDS = 50_000
"""Runs of so much work keep the GIL: to release it takes as long as some of them."""

_UNUSUAL = (KeyError, IndexError, TypeError, AttributeError)


def never(_feeds: Mapping[str, Any]) -> None:
    """The direct call of a model that has none."""
    return


class DirectCalls:
    """The direct calls of one model with given numbers of threads.

    ``input_order`` and ``result_order`` are positions of the segment's inputs among the model's, and of the results
    among the segment's outputs. ``by_name`` gives the results in a dictionary, ``in_order`` in a list.
    """

    def __init__(
        self,
        runner: SegmentRunner,
        inputs: Sequence[tuple[str, np.dtype]],
        output_names: Sequence[str],
        input_order: Sequence[int],
        result_order: Sequence[int],
    ):
        self._runner = runner
        self._table: dict[tuple[tuple[int, ...], ...], tuple[Any, ...]] = {}
        outputs = [np.dtype(tensor.dtype) for tensor in runner.segment.outputs]
        reports = any(buffer.kind == "report" for buffer in runner.segment.buffers)
        scope = {
            "ndarray": np.ndarray, "empty": np.empty, "aligned_empty": aligned_empty, "observer": OBSERVER.get,
            "table": self._table, "take": runner.arenas.take, "give": runner.arenas.give, "UNUSUAL": _UNUSUAL,
        }  # fmt: skip
        scope |= {f"name{number}": name for number, (name, _) in enumerate(inputs)}
        scope |= {f"dtype{number}": dtype for number, (_, dtype) in enumerate(inputs)}
        scope |= {f"output{number}": name for number, name in enumerate(output_names)}
        scope |= {f"kind{number}": dtype for number, dtype in enumerate(outputs)}
        used = [f"a{source}" for source in input_order]
        text = _text(len(inputs), used, len(outputs), result_order, reports)
        exec(compile(text, "<direct call>", "exec"), scope)
        self.by_name: DirectCall = scope["by_name"]
        self.in_order: DirectCall = scope["in_order"]

    @staticmethod
    def are_possible(runner: SegmentRunner) -> bool:
        """Whether native code can read where an array lies, and the image takes calls."""
        return may_read_array_objects() and runner.image.runs_here

    def add(self, shapes: tuple[tuple[int, ...], ...], binding: Binding) -> None:
        """From now on inputs of these shapes are run directly, unless several threads share the work."""
        table = self._table
        if shapes in table or binding.participants != 1:
            return
        image = self._runner.image
        brief = binding.work is not None and binding.work <= BRIEF_NANOSECONDS
        native = image.run_brief_call if brief else image.run_call
        outputs = [part for shape, _, size in binding.outputs for part in (shape, size)]
        table[shapes] = (binding.instances, binding.template, binding, binding.arena_bytes, native, *outputs)
        while len(table) > MAXIMUM_ENTRIES:
            table.pop(next(iter(table)), None)


def _text(inputs: int, used: Sequence[str], outputs: int, results: Sequence[int], reports: bool) -> str:
    """``by_name`` and ``in_order``. Names of the model are not in the text: they are values of its scope."""
    given = range(inputs)
    unusual = " or ".join(
        [f"len(feeds) != {inputs}", "observer() is not None"]
        + [f"type(a{n}) is not ndarray or a{n}.dtype is not dtype{n} or not a{n}.flags.c_contiguous" for n in given]
    )
    shapes = "".join(f"a{n}.shape, " for n in given) or "()"
    entry = "".join(f", shape{n}, size{n}" for n in range(outputs))
    made = [
        f"r{n} = empty(shape{n}, kind{n}) if size{n} < {ALIGNED_OUTPUT_BYTES} else "
        f"aligned_empty(shape{n}, kind{n}, size{n})"
        for n in range(outputs)
    ]
    arrays = [*used, *(f"r{n}" for n in range(outputs))]
    objects = [f"objects[{place}] = id({array})" for place, array in enumerate(arrays)]
    body = [
        "try:",
        *(f"    a{n} = feeds[name{n}]" for n in given),
        f"    if {unusual}:",
        "        return None",
        f"    instances, template, binding, arena_bytes, native{entry} = table[{shapes}]",
        "    instance = instances.pop()",
        "except UNUSUAL:",
        "    return None",
        "if instance.template is not template:",
        "    instance.take(binding)",
        "objects = instance.objects",
        "if objects is None:",
        "    objects = instance.make_call(binding)",
        *made,
        *objects,
        "if arena_bytes:",
        "    arena = take(arena_bytes)",
        "    if instance.arena_base != arena.address:",
        "        instance.move_to(binding, arena.address)",
        "    native(instance.call_address)",
        "    give(arena)",
        "else:",
        "    native(instance.call_address)",
        *(["if instance.report.tobytes() != instance.empty_report:", "    return None"] if reports else []),
        "instances.append(instance)",
    ]
    named = "{" + ", ".join(f"output{n}: r{source}" for n, source in enumerate(results)) + "}"
    listed = "[" + ", ".join(f"r{source}" for source in results) + "]"
    functions = {"by_name": named, "in_order": listed}
    return "\n".join(
        "\n    ".join([f"def {name}(feeds):", *body, f"return {result}"]) for name, result in functions.items()
    )
