// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @reductions(%x: !graph.tensor<N x 8 x 16 x f32>, %s: !graph.tensor<16 x f32>) {
  %0 = graph.reduce sum %x axes [2] keepdims : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 8 x 1 x f32>
  %1 = graph.reduce mean %x axes [1, 2] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x f32>
  %2 = graph.reduce max %x axes [0] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<8 x 16 x f32>
  %3 = graph.reduce min %x axes [0, 1, 2] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<f32>
  %4 = graph.reduce prod %x axes [2] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 8 x f32>
  %5 = graph.arg_max %x axis 1 keepdims : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 1 x 16 x i64>
  %6 = graph.arg_min %x axis 2 select_last : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 8 x i64>
  %7 = graph.softmax %x axis 2 : !graph.tensor<N x 8 x 16 x f32>
  %8 = graph.layer_norm %x, %s, %s axis 2 epsilon 1.0e-12 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<16 x f32>, !graph.tensor<16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
  %9 = graph.layer_norm %x, %s axis 2 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
  %10 = graph.cumsum %x axis 1 exclusive reverse : !graph.tensor<N x 8 x 16 x f32>
  func.return
}

// CHECK:      func.func @reductions(%x: !graph.tensor<N x 8 x 16 x f32>, %s: !graph.tensor<16 x f32>) {
// CHECK-NEXT:   %0 = graph.reduce sum %x axes [2] keepdims : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 8 x 1 x f32>
// CHECK-NEXT:   %1 = graph.reduce mean %x axes [1, 2] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   %2 = graph.reduce max %x axes [0] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<8 x 16 x f32>
// CHECK-NEXT:   %3 = graph.reduce min %x axes [0, 1, 2] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<f32>
// CHECK-NEXT:   %4 = graph.reduce prod %x axes [2] : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %5 = graph.arg_max %x axis 1 keepdims : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 1 x 16 x i64>
// CHECK-NEXT:   %6 = graph.arg_min %x axis 2 select_last : (!graph.tensor<N x 8 x 16 x f32>) -> !graph.tensor<N x 8 x i64>
// CHECK-NEXT:   %7 = graph.softmax %x axis 2 : !graph.tensor<N x 8 x 16 x f32>
// CHECK-NEXT:   %8 = graph.layer_norm %x, %s, %s axis 2 epsilon 1.0e-12 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<16 x f32>, !graph.tensor<16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
// CHECK-NEXT:   %9 = graph.layer_norm %x, %s axis 2 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
// CHECK-NEXT:   %10 = graph.cumsum %x axis 1 exclusive reverse : !graph.tensor<N x 8 x 16 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
