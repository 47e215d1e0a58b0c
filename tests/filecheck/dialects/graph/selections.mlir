// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @sizes(%x: !graph.tensor<N x 100 x f32>, %k: !graph.tensor<1 x i64>) {
  %0 = graph.count_nonzero %x : (!graph.tensor<N x 100 x f32>) -> !graph.tensor<1 x i64>
  %1 = graph.bind_sizes %0 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
  %2, %3 = graph.topk %x, %k axis 1 smallest computed : (!graph.tensor<N x 100 x f32>, !graph.tensor<1 x i64>) -> (!graph.tensor<N x found x f32>, !graph.tensor<N x found x i64>)
  func.return
}

// CHECK:      func.func @sizes(%x: !graph.tensor<N x 100 x f32>, %k: !graph.tensor<1 x i64>) {
// CHECK-NEXT:   %0 = graph.count_nonzero %x : (!graph.tensor<N x 100 x f32>) -> !graph.tensor<1 x i64>
// CHECK-NEXT:   %1 = graph.bind_sizes %0 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
// CHECK-NEXT:   %2, %3 = graph.topk %x, %k axis 1 smallest computed : (!graph.tensor<N x 100 x f32>, !graph.tensor<1 x i64>) -> (!graph.tensor<N x found x f32>, !graph.tensor<N x found x i64>)
