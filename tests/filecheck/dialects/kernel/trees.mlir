// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

func.func @forest(%x: !layout.tensor<N x 4 x f32>, %t: !layout.tensor<7 x f32>, %i: !layout.tensor<7 x i32>, %w: !layout.tensor<7 x 2 x f32>, %r: !layout.tensor<3 x 2 x i32>) {
  %0 = kernel.tree_ensemble max(%x, %t, %i, %w, %r) depth 3 feature_bits 2 both_ways : !layout.tensor<N x 6 x f32>
  func.return
}

// CHECK: %0 = kernel.tree_ensemble max(%x, %t, %i, %w, %r) depth 3 feature_bits 2 both_ways : !layout.tensor<N x 6 x f32>

// -----

func.func @width(%x: !layout.tensor<N x 4 x f32>, %t: !layout.tensor<7 x f32>, %i: !layout.tensor<7 x i32>, %w: !layout.tensor<7 x 2 x f32>, %r: !layout.tensor<3 x 2 x i32>) {
  %0 = kernel.tree_ensemble sum(%x, %t, %i, %w, %r) depth 3 feature_bits 2 : !layout.tensor<N x 5 x f32>
  func.return
}

// CHECK: C3: the result has shape [N, 5], expected [N, 6]

// -----

func.func @bits(%x: !layout.tensor<N x 4 x f32>, %t: !layout.tensor<7 x f32>, %i: !layout.tensor<7 x i32>, %w: !layout.tensor<7 x 2 x f32>, %r: !layout.tensor<3 x 2 x i32>) {
  %0 = kernel.tree_ensemble sum(%x, %t, %i, %w, %r) depth 3 feature_bits 32 : !layout.tensor<N x 6 x f32>
  func.return
}

// CHECK: C4: feature_bits is 32, expected 0 to 31
