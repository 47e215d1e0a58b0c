// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @unknown_property(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.softmax ins(%x : !layout.tensor<4 x f32>) axis 0 -> !layout.tensor<4 x f32>
  func.return
}

// CHECK: kernel.softmax has no property 'axis'; it has none

// -----

func.func @map_without_region(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.map ins(%x : !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: a map needs a region

// -----

func.func @argument_count(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.map ins(%x : !layout.tensor<4 x f32>) epilogue {
  ^bb0(%e: f32, %f: f32):
    kernel.yield %e : f32
  } -> !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: the region has 2 arguments, expected 1

// -----

func.func @argument_type(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x i64>) {
  %0 = kernel.softmax ins(%x : !layout.tensor<4 x f32>) epilogue(%y : !layout.tensor<4 x i64>) {
  ^bb0(%e: f32, %f: i32):
    kernel.yield %e : f32
  } -> !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: argument 1 of the region has type i32, expected i64

// -----

func.func @yielded_type(%x: !layout.tensor<4 x f32>) {
  %0 = kernel.map ins(%x : !layout.tensor<4 x f32>) epilogue {
  ^bb0(%e: f32):
    kernel.yield %e : f32
  } -> !layout.tensor<4 x i1>
  func.return
}

// CHECK: C2: the region yields f32, the result holds i1

// -----

func.func @conv_ranks(%x: !layout.tensor<1 x 4 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>) {
  %0 = kernel.conv ins(%x, %w : !layout.tensor<1 x 4 x 6 x f32>, !layout.tensor<4 x 4 x 3 x 3 x f32>) strides [1] pads [0, 0] dilations [1] -> !layout.tensor<1 x 4 x 4 x f32>
  func.return
}

// CHECK: C4: x has rank 3, w has rank 4

// -----

func.func @conv_pads(%x: !layout.tensor<1 x 4 x 6 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>) {
  %0 = kernel.conv ins(%x, %w : !layout.tensor<1 x 4 x 6 x 6 x f32>, !layout.tensor<4 x 4 x 3 x 3 x f32>) strides [1, 1] pads [0, 0] dilations [1, 1] -> !layout.tensor<1 x 4 x 4 x 4 x f32>
  func.return
}

// CHECK: C3: pads has 2 entries, expected 4

// -----

func.func @conv_channels(%x: !layout.tensor<1 x 6 x 6 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>) {
  %0 = kernel.conv ins(%x, %w : !layout.tensor<1 x 6 x 6 x 6 x f32>, !layout.tensor<4 x 4 x 3 x 3 x f32>) strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] -> !layout.tensor<1 x 4 x 4 x 4 x f32>
  func.return
}

// CHECK: C5: x has 6 channels, w wants 4 in each of 1 groups

// -----

func.func @gemm_rank(%a: !layout.tensor<6 x f32>, %b: !layout.tensor<6 x 5 x f32>) {
  %0 = kernel.gemm ins(%a, %b : !layout.tensor<6 x f32>, !layout.tensor<6 x 5 x f32>) -> !layout.tensor<5 x f32>
  func.return
}

// CHECK: C4: operands have rank 1 and 2

// -----

func.func @gemm_depth(%a: !layout.tensor<4 x 6 x f32>, %b: !layout.tensor<6 x 5 x f32>) {
  %0 = kernel.gemm ins(%a, %b : !layout.tensor<4 x 6 x f32>, !layout.tensor<6 x 5 x f32>) transpose_b -> !layout.tensor<4 x 6 x f32>
  func.return
}

// CHECK: C5: a sums over 6, b over 5

// -----

func.func @result_shape(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.softmax ins(%x : !layout.tensor<2 x 6 x f32>) -> !layout.tensor<2 x 5 x f32>
  func.return
}

// CHECK: C3: the result has shape [2, 5], expected [2, 6]

// -----

func.func @axis(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.cumulative_sum ins(%x : !layout.tensor<2 x 6 x f32>) axis 2 -> !layout.tensor<2 x 6 x f32>
  func.return
}

// CHECK: C3: axis 2 of a tensor of 2 axes

// -----

func.func @axes(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.reduce ins(%x : !layout.tensor<2 x 6 x f32>) kind sum axes [1, 1] -> !layout.tensor<2 x 1 x f32>
  func.return
}

// CHECK: C3: axes [1, 1] of a tensor of 2 axes: expected some of them, each once

// -----

func.func @word(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.reduce ins(%x : !layout.tensor<2 x 6 x f32>) kind median axes [1] -> !layout.tensor<2 x 1 x f32>
  func.return
}

// CHECK: C3: kind is 'median', expected one of sum, mean, max, min, prod

// -----

func.func @operands(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.gather ins(%x : !layout.tensor<2 x 6 x f32>) axis 0 -> !layout.tensor<2 x 6 x f32>
  func.return
}

// CHECK: C3: 1 operands, expected 2

// -----

func.func @slice_end(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.slice ins(%x : !layout.tensor<2 x 6 x f32>) starts [0, 4] steps [1, 1] -> !layout.tensor<2 x 3 x f32>
  func.return
}

// CHECK: C3: elements 4 to 6 of an axis of 6

// -----

func.func @broadcasting(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.broadcast ins(%x : !layout.tensor<2 x 6 x f32>) -> !layout.tensor<4 x 6 x f32>
  func.return
}

// CHECK: C3: the operand has shape [2, 6], which does not broadcast to [4, 6]

// -----

func.func @stride(%x: !layout.tensor<1 x 2 x 6 x f32>) {
  %0 = kernel.pool ins(%x : !layout.tensor<1 x 2 x 6 x f32>) kind max window [2] strides [0] pads [0, 0] dilations [1] -> !layout.tensor<1 x 2 x 6 x f32>
  func.return
}

// CHECK: C3: strides is [0], expected numbers from 1 to

// -----

func.func @element_type(%x: !layout.tensor<2 x 6 x f32>) {
  %0 = kernel.slice ins(%x : !layout.tensor<2 x 6 x f32>) starts [0, 0] steps [1, 1] -> !layout.tensor<2 x 3 x f16>
  func.return
}

// CHECK: C3: the result holds f16, x f32
