// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

func.func @operations(%x: !graph.tensor<N x 4 x i64>, %k: !graph.tensor<3 x i64>, %v: !graph.tensor<3 x !graph.string>, %d: !graph.tensor<!graph.string>, %p: !graph.tensor<N x 3 x 3 x f32>) {
  %0 = graph.look_up %x, %k, %v, %d : (!graph.tensor<N x 4 x i64>, !graph.tensor<3 x i64>, !graph.tensor<3 x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x 4 x !graph.string>
  %1 = graph.couple_probabilities %p : (!graph.tensor<N x 3 x 3 x f32>) -> !graph.tensor<N x 3 x f32>
  func.return
}

// CHECK:      %0 = graph.look_up %x, %k, %v, %d : (!graph.tensor<N x 4 x i64>, !graph.tensor<3 x i64>, !graph.tensor<3 x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x 4 x !graph.string>
// CHECK-NEXT: %1 = graph.couple_probabilities %p : (!graph.tensor<N x 3 x 3 x f32>) -> !graph.tensor<N x 3 x f32>

// -----

func.func @other_keys(%x: !graph.tensor<N x 4 x i64>, %k: !graph.tensor<3 x f32>, %d: !graph.tensor<f32>) {
  %0 = graph.look_up %x, %k, %k, %d : (!graph.tensor<N x 4 x i64>, !graph.tensor<3 x f32>, !graph.tensor<3 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 4 x f32>
  func.return
}

// CHECK: C1: keys must be a vector of i64, got !graph.tensor<3 x f32>
