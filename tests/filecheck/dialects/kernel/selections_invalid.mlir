// RUN: lamina-opt %s --split-input-file --verify-diagnostics 2>&1 | filecheck %s

func.func @too_many(%x: !layout.tensor<N x 6 x f32>) {
  %0, %1 = kernel.top_k(%x) : !layout.tensor<N x 7 x f32>, !layout.tensor<N x 7 x i64>
  func.return
}

// CHECK: C3: 7 of 6 elements are wanted

// -----

func.func @one_axis(%x: !layout.tensor<N x 6 x f32>) {
  %0 = kernel.nonzero(%x) : !layout.tensor<1 x found x i64>
  func.return
}

// CHECK: C3: the result has shape [1, found], expected [2, found]

// -----

func.func @corners(%b: !layout.tensor<1 x N x 3 x f32>, %s: !layout.tensor<1 x 80 x N x f32>, %m: !layout.tensor<1 x i64>, %t: !layout.tensor<1 x f32>) {
  %0, %1 = kernel.suppress_boxes(%b, %s, %m, %t) : !layout.tensor<1 x 80 x N x i64>, !layout.tensor<1 x 80 x i64>
  func.return
}

// CHECK: C3: the boxes has shape [1, N, 3], expected [1, N, 4]

// -----

func.func @beside(%x: !layout.tensor<N x 6 x f32>) {
  %0 = kernel.count_nonzero(%x) : !layout.tensor<1 x i64> epilogue(%acc) {%1 = arith.addi %acc, %acc : i64}
  func.return
}

// CHECK: C1: kernel.count_nonzero takes no epilogue

// -----

func.func @trees(%x: !layout.tensor<N x 4 x f32>, %t: !layout.tensor<7 x f32>, %i: !layout.tensor<7 x i32>, %w: !layout.tensor<7 x 2 x f32>, %r: !layout.tensor<3 x 2 x i32>) {
  %0 = kernel.tree_ensemble max(%x, %t, %i, %w, %r) depth 3 feature_bits 2 : !layout.tensor<N x 6 x f32> epilogue(%acc) {%1 = arith.addf %acc, %acc : f32}
  func.return
}

// CHECK: C1: kernel.tree_ensemble takes no epilogue

// -----

func.func @turned(%x: !layout.tensor<4 x 2 x f32>, %n: !layout.tensor<2 x i64>) {
  %0 = kernel.reverse_sequence(%x, %n) time_axis 0 batch_axis 1 : !layout.tensor<4 x 2 x f32> epilogue(%acc) {%1 = arith.addf %acc, %acc : f32}
  func.return
}

// CHECK: C1: kernel.reverse_sequence takes no epilogue

// -----

func.func @range(%s: !layout.tensor<f32>, %d: !layout.tensor<f32>) {
  %0 = kernel.range(%s, %d) : !layout.tensor<4 x f32> epilogue(%acc) {%1 = arith.addf %acc, %acc : f32}
  func.return
}

// CHECK: C1: kernel.range takes no epilogue
