// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @custom(%x: !graph.tensor<N x f32>) {
  %0 = graph.custom @"my.domain::Median" %x : (!graph.tensor<N x f32>) -> !graph.tensor<f32>
  %1, %2 = graph.custom @Split %x, %0 settings "{\"at\": [1, 2]}" : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> (!graph.tensor<M x f32>, !graph.tensor<K x i64>)
  func.return
}

// CHECK:      func.func @custom(%x: !graph.tensor<N x f32>) {
// CHECK-NEXT:   %0 = graph.custom @"my.domain::Median" %x : (!graph.tensor<N x f32>) -> !graph.tensor<f32>
// CHECK-NEXT:   %1, %2 = graph.custom @Split %x, %0 settings "{\22at\22: [1, 2]}" : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> (!graph.tensor<M x f32>, !graph.tensor<K x i64>)
