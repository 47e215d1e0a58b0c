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
