// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

func.func @operations(%x: !graph.tensor<N x 4 x i64>, %k: !graph.tensor<3 x i64>, %v: !graph.tensor<3 x !graph.string>, %d: !graph.tensor<!graph.string>, %p: !graph.tensor<N x 3 x 3 x f32>, %s: !graph.tensor<N x 3 x f32>, %m: !graph.tensor<!graph.map<i64, f32>>) {
  %0 = graph.look_up %x, %k, %v, %d : (!graph.tensor<N x 4 x i64>, !graph.tensor<3 x i64>, !graph.tensor<3 x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x 4 x !graph.string>
  %1 = graph.couple_probabilities %p : (!graph.tensor<N x 3 x 3 x f32>) -> !graph.tensor<N x 3 x f32>
  %2 = graph.constant @labels : !graph.tensor<3 x i64>
  %3 = graph.zip_map %s, %2 : (!graph.tensor<N x 3 x f32>, !graph.tensor<3 x i64>) -> !graph.tensor<!graph.sequence<!graph.map<i64, f32>, 0>>
  %4 = graph.unzip_map %m, %2 : (!graph.tensor<!graph.map<i64, f32>>, !graph.tensor<3 x i64>) -> !graph.tensor<1 x 3 x f32>
  func.return
}

// CHECK:      %0 = graph.look_up %x, %k, %v, %d : (!graph.tensor<N x 4 x i64>, !graph.tensor<3 x i64>, !graph.tensor<3 x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x 4 x !graph.string>
// CHECK-NEXT: %1 = graph.couple_probabilities %p : (!graph.tensor<N x 3 x 3 x f32>) -> !graph.tensor<N x 3 x f32>
// CHECK-NEXT: %2 = graph.constant @labels : !graph.tensor<3 x i64>
// CHECK-NEXT: %3 = graph.zip_map %s, %2 : (!graph.tensor<N x 3 x f32>, !graph.tensor<3 x i64>) -> !graph.tensor<!graph.sequence<!graph.map<i64, f32>, 0>>
// CHECK-NEXT: %4 = graph.unzip_map %m, %2 : (!graph.tensor<!graph.map<i64, f32>>, !graph.tensor<3 x i64>) -> !graph.tensor<1 x 3 x f32>

// -----

func.func @other_keys(%x: !graph.tensor<N x 4 x i64>, %k: !graph.tensor<3 x f32>, %d: !graph.tensor<f32>) {
  %0 = graph.look_up %x, %k, %k, %d : (!graph.tensor<N x 4 x i64>, !graph.tensor<3 x f32>, !graph.tensor<3 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 4 x f32>
  func.return
}

// CHECK: C1: keys must be a vector of i64, got !graph.tensor<3 x f32>
