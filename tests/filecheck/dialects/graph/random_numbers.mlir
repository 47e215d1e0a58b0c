// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @random() {
  %0 = graph.entropy : !graph.tensor<2 x i64>
  %1 = graph.random %0 : (!graph.tensor<2 x i64>) -> !graph.tensor<N x 4 x f32>
  %2 = graph.random %0 distribution normal stream 2 : (!graph.tensor<2 x i64>) -> !graph.tensor<N x 4 x f16>
  func.return
}

// CHECK:      func.func @random() {
// CHECK-NEXT:   %0 = graph.entropy : !graph.tensor<2 x i64>
// CHECK-NEXT:   %1 = graph.random %0 : (!graph.tensor<2 x i64>) -> !graph.tensor<N x 4 x f32>
// CHECK-NEXT:   %2 = graph.random %0 distribution normal stream 2 : (!graph.tensor<2 x i64>) -> !graph.tensor<N x 4 x f16>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
