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
