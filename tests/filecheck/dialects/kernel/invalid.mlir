// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @unknown_property(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.softmax(%x) axis 0 : !layout.tensor<4 x f32>
  func.return
}

// CHECK: 'axis' is no property of kernel.softmax: it has none

// -----

func.func @map_without_region(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.map(%x) : !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: a map needs a region

// -----

func.func @names(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.map(%x) : !layout.tensor<4 x f32> each(%e, %f) {kernel.yield %e}
  func.return
}

// CHECK: 2 names for 1 operands

// -----

func.func @undefined(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.softmax(%y) : !layout.tensor<4 x f32>
  func.return
}

// CHECK: %y is used here before it is defined

// -----

func.func @values_from_outside(%x: !layout.tensor<4 x f32>, %one: f32) {
  %0 = kernel.map(%x) : !layout.tensor<4 x f32> each(%e) {%f = arith.addf %e, %one : f32}
  func.return
}

// CHECK: %one is neither an argument nor a value of this code

// -----

func.func @twice(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.cumulative_sum(%x) axis 0 axis 0 : !layout.tensor<4 x f32>
  func.return
}

// CHECK: kernel.cumulative_sum says 'axis' twice

// -----

func.func @argument_count(%x: !layout.tensor<4 x f32>) {
  %0 = "kernel.map"(%x) <{operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%e: f32, %f: f32):
    kernel.yield %e
  }) : (!layout.tensor<4 x f32>) -> !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: the region has 2 arguments, expected 1

// -----

func.func @argument_type(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x i64>) {
  %0 = "kernel.softmax"(%x, %y) <{operandSegmentSizes = array<i32: 1, 1>}> ({
  ^bb0(%e: f32, %f: i32):
    kernel.yield %e
  }) : (!layout.tensor<4 x f32>, !layout.tensor<4 x i64>) -> !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: argument 1 of the region has type i32, expected i64

// -----

func.func @yielded_type(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.map(%x) : !layout.tensor<4 x i1> each(%e) {kernel.yield %e}
  func.return
}

// CHECK: C2: the region yields f32, the result holds i1

// -----

func.func @conv_ranks(%x: !layout.tensor<1 x 4 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>) {
  %0 = kernel.conv(%x, %w) : !layout.tensor<1 x 4 x 4 x f32>
  func.return
}

// CHECK: C4: x has rank 3, w has rank 4

// -----

func.func @conv_pads(%x: !layout.tensor<1 x 4 x 6 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>) {
  %0 = kernel.conv(%x, %w) pads [0, 0] : !layout.tensor<1 x 4 x 4 x 4 x f32>
  func.return
}

// CHECK: C3: pads has 2 entries, expected 4

// -----

func.func @conv_channels(%x: !layout.tensor<1 x 6 x 6 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>) {
  %0 = kernel.conv(%x, %w) : !layout.tensor<1 x 4 x 4 x 4 x f32>
  func.return
}

// CHECK: C5: x has 6 channels, w wants 4 in each of 1 groups

// -----

func.func @gemm_rank(%a: !layout.tensor<6 x f32>, %b: !layout.tensor<6 x 5 x f32>) {
  %0 = kernel.gemm(%a, %b) : !layout.tensor<5 x f32>
  func.return
}

// CHECK: C4: operands have rank 1 and 2

// -----

func.func @gemm_depth(%a: !layout.tensor<4 x 6 x f32>, %b: !layout.tensor<6 x 5 x f32>) {
  %0 = kernel.gemm(%a, %b) transpose_b : !layout.tensor<4 x 6 x f32>
  func.return
}

// CHECK: C5: a sums over 6, b over 5

// -----

func.func @result_shape(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.softmax(%x) : !layout.tensor<2 x 5 x f32>
  func.return
}

// CHECK: C3: the result has shape [2, 5], expected [2, 6]

// -----

func.func @axis(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.cumulative_sum(%x) axis 2 : !layout.tensor<2 x 6 x f32>
  func.return
}

// CHECK: C3: axis 2 of a tensor of 2 axes

// -----

func.func @axes(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.reduce sum(%x) axes [1, 1] : !layout.tensor<2 x 1 x f32>
  func.return
}

// CHECK: C3: axes [1, 1] of a tensor of 2 axes: expected some of them, each once

// -----

func.func @word(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.reduce median(%x) axes [1] : !layout.tensor<2 x 1 x f32>
  func.return
}

// CHECK: C3: kind is 'median', expected one of sum, mean, max, min, prod

// -----

func.func @operands(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.gather(%x) axis 0 : !layout.tensor<2 x 6 x f32>
  func.return
}

// CHECK: C3: 1 operands, expected 2

// -----

func.func @positions(%x: !layout.tensor<2 x 6 x f32>, %i: !layout.tensor<4 x 3 x i64>, %u: !layout.tensor<4 x f32>) {
  %0 = kernel.scatter_nd(%x, %i, %u) : !layout.tensor<2 x 6 x f32>
  func.return
}

// CHECK: C3: positions on 3 of 2 axes

// -----

func.func @updates(%x: !layout.tensor<2 x 6 x f32>, %i: !layout.tensor<2 x 7 x i64>, %u: !layout.tensor<2 x 7 x f32>) {
  %0 = kernel.scatter_elements add(%x, %i, %u) axis 0 : !layout.tensor<2 x 6 x f32>
  func.return
}

// CHECK: C3: updates of shape [2, 7] of [2, 6]

// -----

func.func @reduction(%x: !layout.tensor<2 x 6 x f32>, %i: !layout.tensor<2 x 6 x i64>, %u: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.scatter_elements mean(%x, %i, %u) axis 0 : !layout.tensor<2 x 6 x f32>
  func.return
}

// CHECK: C3: reduction is 'mean', expected one of none, add, mul, max, min

// -----

func.func @batches(%x: !layout.tensor<2 x 6 x f32>, %i: !layout.tensor<2 x 3 x 2 x i64>) {
  %0 = kernel.gather_nd(%x, %i) batch_dims 1 : !layout.tensor<2 x 3 x f32>
  func.return
}

// CHECK: C3: 1 shared axes and positions on 2 of a tensor of 2 axes

// -----

func.func @slice_end(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.slice(%x) starts [0, 4] : !layout.tensor<2 x 3 x f32>
  func.return
}

// CHECK: C3: elements 4 to 6 of an axis of 6

// -----

func.func @broadcasting(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.broadcast(%x) : !layout.tensor<4 x 6 x f32>
  func.return
}

// CHECK: C3: the operand has shape [2, 6], which does not broadcast to [4, 6]

// -----

func.func @stride(%x: !layout.tensor<1 x 2 x 6 x f32>) {
  %0 = kernel.pool max(%x) window [2] strides [0] : !layout.tensor<1 x 2 x 6 x f32>
  func.return
}

// CHECK: C3: strides is [0], expected numbers from 1 to

// -----

func.func @element_type(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.slice(%x) starts [0, 0] : !layout.tensor<2 x 3 x f16>
  func.return
}

// CHECK: C3: the result holds f16, x f32

// -----

func.func @products_of_two_kinds(%a: !layout.tensor<6 x 5 x f32>, %b: !layout.tensor<4 x 6 x i8>) {
  %0 = kernel.gemm(%b, %a) : !layout.tensor<4 x 5 x f32>
  func.return
}

// CHECK: C7: elements of i8 cannot be multiplied by f32

// -----

func.func @narrow_sums(%a: !layout.tensor<4 x 6 x i8>, %b: !layout.tensor<6 x 5 x i8>) {
  %0 = kernel.gemm(%a, %b) : !layout.tensor<4 x 5 x i8>
  func.return
}

// CHECK: C7: sums of i8 of elements of i8 and i8: expected i32

// -----

func.func @unsigned_floats(%a: !layout.tensor<4 x 6 x f32>, %b: !layout.tensor<6 x 5 x f32>) {
  %0 = kernel.gemm(%a, %b) unsigned [1] : !layout.tensor<4 x 5 x f32>
  func.return
}

// CHECK: C7: operand 1 is called unsigned, which elements of i8 can be

// -----

func.func @unsigned_mean(%a: !layout.tensor<1 x 4 x 6 x 6 x i8>) {
  %0 = kernel.pool average(%a) window [2, 2] unsigned [0] : !layout.tensor<1 x 4 x 5 x 5 x i8>
  func.return
}

// CHECK: C4: x is called unsigned, which bytes can be for a maximum

// -----

func.func @unsigned_maximum(%a: !layout.tensor<4 x 6 x i8>) {
  %0 = kernel.reduce max(%a) axes [1] unsigned [0] : !layout.tensor<4 x 1 x i8>
  func.return
}

// CHECK: C4: x is called unsigned, which summed bytes can be

// -----

func.func @attention_types(%q: !layout.tensor<4 x 6 x f16>, %k: !layout.tensor<5 x 6 x f16>) {
  %0 = kernel.attention(%q, %k, %k) : !layout.tensor<4 x 6 x f16>
  func.return
}

// CHECK: C4: {{.*}}: expected f32, of rank 2 or more

// -----

func.func @attention_keys(%q: !layout.tensor<4 x 6 x f32>, %k: !layout.tensor<5 x 6 x f32>, %v: !layout.tensor<3 x 6 x f32>) {
  %0 = kernel.attention(%q, %k, %v) : !layout.tensor<4 x 6 x f32>
  func.return
}

// CHECK: C5: there are 5 and 3 keys and values

// -----

func.func @attention_heads(%q: !layout.tensor<5 x 4 x 6 x f32>, %k: !layout.tensor<2 x 3 x 6 x f32>) {
  %0 = kernel.attention(%q, %k, %k) : !layout.tensor<5 x 4 x 6 x f32>
  func.return
}

// CHECK: C4: 5 heads of queries do not share 2 of keys

// -----

func.func @flag_of_another_cell(%x: !layout.tensor<T x N x 8 x f32>, %r: !layout.tensor<1 x 8 x 1 x 8 x f32>, %h: !layout.tensor<1 x N x 8 x f32>) {
  %0, %1 = kernel.recurrence rnn(%x, %r, %h) input_forget : !layout.tensor<T x 1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>
  func.return
}

// CHECK: C4: input_forget is for lstm, not for rnn

// -----

func.func @unknown_activation(%x: !layout.tensor<T x N x 8 x f32>, %r: !layout.tensor<1 x 8 x 1 x 8 x f32>, %h: !layout.tensor<1 x N x 8 x f32>) {
  %0, %1 = kernel.recurrence rnn(%x, %r, %h) activations swish : !layout.tensor<T x 1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>
  func.return
}

// CHECK: C5: activation 'swish', expected one of sigmoid, tanh,

// -----

func.func @gates(%x: !layout.tensor<T x N x 24 x f32>, %r: !layout.tensor<1 x 8 x 4 x 8 x f32>, %h: !layout.tensor<1 x N x 8 x f32>) {
  %0, %1 = kernel.recurrence gru(%x, %r, %h) : !layout.tensor<T x 1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>
  func.return
}

// CHECK: C3: the recurrence has shape [1, 8, 4, 8], expected [1, 8, 3, 8]

// -----

func.func @missing_lengths(%x: !layout.tensor<T x N x 8 x f32>, %r: !layout.tensor<1 x 8 x 1 x 8 x f32>, %h: !layout.tensor<1 x N x 8 x f32>) {
  %0, %1 = kernel.recurrence rnn(%x, %r, %h) lengths : !layout.tensor<T x 1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>
  func.return
}

// CHECK: C3: 3 operands, expected 4

// -----

func.func @one_axis(%x: !layout.tensor<T x N x 8 x f32>, %n: !layout.tensor<N x i32>) {
  %0 = kernel.reverse_sequence(%x, %n) time_axis 1 batch_axis 1 : !layout.tensor<T x N x 8 x f32>
  func.return
}

// CHECK: C4: steps along axis 1, sequences along 1 of 3 axes

// -----

func.func @grid(%x: !layout.tensor<2 x 6 x 8 x 8 x f32>, %g: !layout.tensor<2 x 4 x 4 x 3 x f32>) {
  %0 = kernel.grid_sample(%x, %g) : !layout.tensor<2 x 6 x 4 x 4 x f32>
  func.return
}

// CHECK: C3: a grid of shape [2, 4, 4, 3] of x of shape [2, 6, 8, 8]

// -----

func.func @regions(%x: !layout.tensor<2 x 6 x 8 x 8 x f32>, %r: !layout.tensor<3 x 4 x f32>, %i: !layout.tensor<4 x i64>) {
  %0 = kernel.roi_align(%x, %r, %i) size [2, 2] : !layout.tensor<3 x 6 x 2 x 2 x f32>
  func.return
}

// CHECK: C3: the operand 2 has shape [4], expected [3]

// -----

func.func @neighbours(%x: !layout.tensor<2 x 6 x f32>, %f: !layout.tensor<3 x i64>, %w: !layout.tensor<4 x 2 x f32>) {
  %0 = kernel.weigh(%x, %f, %w) axis 1 : !layout.tensor<2 x 4 x f32>
  func.return
}

// CHECK: C3: the operand 1 has shape [3], expected [4]
