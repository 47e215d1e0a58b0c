// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

func.func @forest(%x: !graph.tensor<N x 4 x f32>, %t: !graph.tensor<7 x f32>, %i: !graph.tensor<7 x i32>, %w: !graph.tensor<7 x 2 x f32>, %r: !graph.tensor<3 x 2 x i32>) {
  %0 = graph.tree_ensemble %x, %t, %i, %i, %w, %r aggregate max : (!graph.tensor<N x 4 x f32>, !graph.tensor<7 x f32>, !graph.tensor<7 x i32>, !graph.tensor<7 x i32>, !graph.tensor<7 x 2 x f32>, !graph.tensor<3 x 2 x i32>) -> !graph.tensor<N x 6 x f32>
  func.return
}

// CHECK: %0 = graph.tree_ensemble %x, %t, %i, %i, %w, %r aggregate max : (!graph.tensor<N x 4 x f32>, !graph.tensor<7 x f32>, !graph.tensor<7 x i32>, !graph.tensor<7 x i32>, !graph.tensor<7 x 2 x f32>, !graph.tensor<3 x 2 x i32>) -> !graph.tensor<N x 6 x f32>

// -----

func.func @missing_node(%x: !graph.tensor<N x 4 x f32>, %t: !graph.tensor<7 x f32>, %i: !graph.tensor<6 x i32>, %w: !graph.tensor<7 x 2 x f32>, %r: !graph.tensor<3 x 2 x i32>) {
  %0 = graph.tree_ensemble %x, %t, %i, %i, %w, %r : (!graph.tensor<N x 4 x f32>, !graph.tensor<7 x f32>, !graph.tensor<6 x i32>, !graph.tensor<6 x i32>, !graph.tensor<7 x 2 x f32>, !graph.tensor<3 x 2 x i32>) -> !graph.tensor<N x 6 x f32>
  func.return
}

// CHECK: C3: thresholds, features, children and weights must have one entry for each node

// -----

func.func @mixed(%x: !graph.tensor<N x 4 x f64>, %t: !graph.tensor<7 x f32>, %i: !graph.tensor<7 x i32>, %w: !graph.tensor<7 x 2 x f32>, %r: !graph.tensor<3 x 2 x i32>) {
  %0 = graph.tree_ensemble %x, %t, %i, %i, %w, %r : (!graph.tensor<N x 4 x f64>, !graph.tensor<7 x f32>, !graph.tensor<7 x i32>, !graph.tensor<7 x i32>, !graph.tensor<7 x 2 x f32>, !graph.tensor<3 x 2 x i32>) -> !graph.tensor<N x 6 x f32>
  func.return
}

// CHECK: C2: thresholds must have the elements of x, got !graph.tensor<7 x f32>
