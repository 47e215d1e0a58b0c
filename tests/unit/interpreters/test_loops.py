"""The loops interpreter: each kind of op, and what goes wrong."""

# ruff: noqa: E501

from __future__ import annotations

import time

import numpy as np
import pytest
from lamina.context import CompilerContext
from lamina.interpreters.loop_operations import OutOfTimeError
from lamina.interpreters.loops import LoopsError, LoopsFunction, translate
from lamina.interpreters.scalar import NoMeaningError
from xdsl.dialects.func import FuncOp
from xdsl.parser import Parser


def function(body: str, parameters: str = "%x: memref<?xf32>, %y: memref<?xf32>") -> LoopsFunction:
    text = f"""func.func @kernel({parameters}, %thread: index, %threads: index) {{
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %four = arith.constant 4 : index
{body}
  func.return
}}"""
    (found,) = Parser(CompilerContext(), text).parse_module().ops
    assert isinstance(found, FuncOp)
    return translate(found)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def run(body: str, x: np.ndarray, size: int, threads: int = 1) -> np.ndarray:
    y = np.full(size, np.nan, np.float32)
    function(body).run([x, y], threads)
    return y


def test_threads_take_their_shares() -> None:
    body = """
  %begin = arith.muli %thread, %two : index
  %end = arith.addi %begin, %two : index
  scf.for %i = %begin to %end step %one {
    %a = memref.load %x[%i] : memref<?xf32>
    %b = arith.addf %a, %a : f32
    memref.store %b, %y[%i] : memref<?xf32>
  }"""
    assert run(body, floats(1, 2, 3, 4), 4, threads=2).tolist() == [2, 4, 6, 8]
    assert np.isnan(run(body, floats(1, 2, 3, 4), 4, threads=1)[2:]).all()


def test_turns_of_a_forall_are_shared_among_threads() -> None:
    """Six turns on two threads: three each. The first of a thread sees the flag; scratch is each thread's own."""
    body = """
  scf.forall (%i, %j) in (2, 3) {
    %three = arith.constant 3 : index
    %row = arith.muli %i, %three : index
    %at = arith.addi %row, %j : index
    %a = memref.load %x[%at] : memref<?xf32>
    %first = threads.first_turn
    scf.if %first {
      %own = threads.own_part %scratch of %four bytes : memref<?xi8>
      %word = memref.view %own[%zero][%one] : memref<?xi8> to memref<?xf32>
      memref.store %a, %word[%zero] : memref<?xf32>
    }
    memref.store %a, %y[%at] : memref<?xf32>
  }"""
    kernel = function(body, "%x: memref<?xf32>, %y: memref<?xf32>, %scratch: memref<?xi8>")
    x, y, scratch = floats(1, 2, 3, 4, 5, 6), np.zeros(6, np.float32), np.zeros(8, np.uint8)
    kernel.run([x, y, scratch], 2)
    assert y.tolist() == x.tolist()
    assert scratch.view(np.float32).tolist() == [1, 4]


def test_loops_carry_values() -> None:
    body = """
  %start = arith.constant dense<0.0> : vector<2xf32>
  %sum = scf.for %i = %zero to %four step %two iter_args(%acc = %start) -> (vector<2xf32>) {
    %a = vector.load %x[%i] : memref<?xf32>, vector<2xf32>
    %next = vector.fma %a, %a, %acc : vector<2xf32>
    scf.yield %next : vector<2xf32>
  }
  vector.store %sum, %y[%zero] : memref<?xf32>, vector<2xf32>"""
    assert run(body, floats(1, 2, 3, 4), 2).tolist() == [10, 20]


def test_branches_give_values() -> None:
    body = """
  %less = arith.cmpi slt, %threads, %two : index
  %v = scf.if %less -> (index) {
    scf.yield %one : index
  } else {
    scf.yield %two : index
  }
  %a = memref.load %x[%v] : memref<?xf32>
  memref.store %a, %y[%thread] : memref<?xf32>"""
    assert run(body, floats(1, 2, 3), 1).tolist() == [2]
    assert run(body, floats(1, 2, 3), 2, threads=2).tolist() == [3, 3]


def test_a_while_loop() -> None:
    body = """
  %last = scf.while (%i = %zero) : (index) -> index {
    %a = memref.load %x[%i] : memref<?xf32>
    %limit = arith.constant 2.5 : f32
    %goes = arith.cmpf olt, %a, %limit : f32
    scf.condition(%goes) %i : index
  } do {
  ^bb0(%i: index):
    %next = arith.addi %i, %one : index
    scf.yield %next : index
  }
  %a = memref.load %x[%last] : memref<?xf32>
  memref.store %a, %y[%zero] : memref<?xf32>"""
    assert run(body, floats(1, 2, 3, 4), 1).tolist() == [3]


def test_strided_tiles_and_broadcasts() -> None:
    body = """
  %v = memref.reinterpret_cast %x to offset: [1], sizes: [2, 1], strides: [3, 1] : memref<?xf32> to memref<2x1xf32, strided<[3, 1], offset: 1>>
  %a = vector.load %v[%zero, %zero] : memref<2x1xf32, strided<[3, 1], offset: 1>>, vector<2x1xf32>
  %b = vector.broadcast %a : vector<2x1xf32> to vector<2x2xf32>
  %w = memref.reinterpret_cast %y to offset: [0], sizes: [2, 2], strides: [2, 1] : memref<?xf32> to memref<2x2xf32, strided<[2, 1]>>
  vector.store %b, %w[%zero, %zero] : memref<2x2xf32, strided<[2, 1]>>, vector<2x2xf32>"""
    assert run(body, floats(0, 1, 2, 3, 4, 5), 4).tolist() == [1, 1, 4, 4]


def test_masked_and_transposed_transfers() -> None:
    """The mask's axes are those of memory."""
    body = """
  %rest = arith.constant -1.0 : f32
  %mask = vector.create_mask %two, %one : vector<2x3xi1>
  %v = memref.reinterpret_cast %x to offset: [0], sizes: [2, 3], strides: [3, 1] : memref<?xf32> to memref<2x3xf32, strided<[3, 1]>>
  %a = vector.transfer_read %v[%zero, %zero], %rest, %mask {in_bounds = [true, true], permutation_map = affine_map<(d0, d1) -> (d1, d0)>} : memref<2x3xf32, strided<[3, 1]>>, vector<3x2xf32>
  %w = memref.reinterpret_cast %y to offset: [0], sizes: [3, 2], strides: [2, 1] : memref<?xf32> to memref<3x2xf32, strided<[2, 1]>>
  vector.store %a, %w[%zero, %zero] : memref<3x2xf32, strided<[2, 1]>>, vector<3x2xf32>"""
    assert run(body, floats(0, 1, 2, 3, 4, 5), 6).tolist() == [0, 3, -1, -1, -1, -1]


def test_lanes_are_taken_out_put_in_shuffled_and_summed() -> None:
    body = """
  %a = vector.load %x[%zero] : memref<?xf32>, vector<4xf32>
  %b = vector.shuffle %a, %a [3, 2, 1, 4] : vector<4xf32>, vector<4xf32>
  %first = vector.extract %b[0] : f32 from vector<4xf32>
  %c = vector.insert %first, %b[1] : f32 into vector<4xf32>
  %sum = vector.reduction <add>, %c : vector<4xf32> into f32
  vector.store %c, %y[%zero] : memref<?xf32>, vector<4xf32>
  memref.store %sum, %y[%four] : memref<?xf32>"""
    assert run(body, floats(1, 2, 3, 4), 5).tolist() == [4, 4, 2, 1, 11]


def test_memory_of_another_type() -> None:
    body = """
  %v = memref.view %bytes[%four][%one] : memref<?xi8> to memref<?xf32>
  %a = memref.load %v[%zero] : memref<?xf32>
  memref.store %a, %y[%zero] : memref<?xf32>"""
    y = np.zeros(1, np.float32)
    memory = floats(1, 2, 3).view(np.int8)
    function(body, "%bytes: memref<?xi8>, %y: memref<?xf32>").run([memory, y])
    assert y[0] == 2


@pytest.mark.parametrize("place", ["%four", "%before"])
def test_leaving_memory_is_an_error_that_names_the_op(place: str) -> None:
    body = f"""
  %before = arith.subi %zero, %one : index
  %a = vector.load %x[{place}] : memref<?xf32>, vector<2xf32>
  vector.store %a, %y[%zero] : memref<?xf32>, vector<2xf32>"""
    with pytest.raises(LoopsError, match=r"@kernel: .*vector\.load"):
        run(body, floats(1, 2, 3, 4), 2)


def test_an_unknown_op_is_refused() -> None:
    with pytest.raises(NoMeaningError, match=r"memref\.dim"):
        function("  %d = memref.dim %x, %zero : memref<?xf32>")


def test_a_deadline_ends_the_run() -> None:
    body = """
  %many = arith.constant 1000000000 : index
  scf.for %i = %zero to %many step %one {
    memref.store %f, %y[%zero] : memref<?xf32>
  }"""
    body = "  %f = arith.constant 1.0 : f32\n" + body
    with pytest.raises(OutOfTimeError):
        function(body).run([floats(1), floats(1)], deadline=time.monotonic() + 0.05)
