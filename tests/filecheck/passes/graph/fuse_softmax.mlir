// RUN: lamina-opt %s -p graph-fuse-softmax,graph-dead-code | filecheck %s

func.func @softmax(%x: !graph.tensor<N x 10 x f32>) -> !graph.tensor<N x 10 x f32> {
  %0 = graph.reduce max %x axes [1] keepdims : (!graph.tensor<N x 10 x f32>) -> !graph.tensor<N x 1 x f32>
  %1 = graph.sub %x, %0 : (!graph.tensor<N x 10 x f32>, !graph.tensor<N x 1 x f32>) -> !graph.tensor<N x 10 x f32>
  %2 = graph.exp %1 : !graph.tensor<N x 10 x f32>
  %3 = graph.reduce sum %2 axes [1] keepdims : (!graph.tensor<N x 10 x f32>) -> !graph.tensor<N x 1 x f32>
  %4 = graph.div %2, %3 : (!graph.tensor<N x 10 x f32>, !graph.tensor<N x 1 x f32>) -> !graph.tensor<N x 10 x f32>
  func.return %4 : !graph.tensor<N x 10 x f32>
}

// The largest along one axis, the sum along another.

func.func @different_axes(%x: !graph.tensor<10 x 10 x f32>) -> !graph.tensor<10 x 10 x f32> {
  %0 = graph.reduce max %x axes [1] keepdims : (!graph.tensor<10 x 10 x f32>) -> !graph.tensor<10 x 1 x f32>
  %1 = graph.sub %x, %0 : (!graph.tensor<10 x 10 x f32>, !graph.tensor<10 x 1 x f32>) -> !graph.tensor<10 x 10 x f32>
  %2 = graph.exp %1 : !graph.tensor<10 x 10 x f32>
  %3 = graph.reduce sum %2 axes [0] keepdims : (!graph.tensor<10 x 10 x f32>) -> !graph.tensor<1 x 10 x f32>
  %4 = graph.div %2, %3 : (!graph.tensor<10 x 10 x f32>, !graph.tensor<1 x 10 x f32>) -> !graph.tensor<10 x 10 x f32>
  func.return %4 : !graph.tensor<10 x 10 x f32>
}

// CHECK:      func.func @softmax(%x: !graph.tensor<N x 10 x f32>) -> !graph.tensor<N x 10 x f32> {
// CHECK-NEXT:   %0 = graph.softmax %x axis 1 : !graph.tensor<N x 10 x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<N x 10 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @different_axes(%x: !graph.tensor<10 x 10 x f32>) -> !graph.tensor<10 x 10 x f32> {
// CHECK-NEXT:   %0 = graph.reduce max %x axes [1] keepdims : (!graph.tensor<10 x 10 x f32>) -> !graph.tensor<10 x 1 x f32>
// CHECK-NEXT:   %1 = graph.sub %x, %0 : (!graph.tensor<10 x 10 x f32>, !graph.tensor<10 x 1 x f32>) -> !graph.tensor<10 x 10 x f32>
// CHECK-NEXT:   %2 = graph.exp %1 : !graph.tensor<10 x 10 x f32>
// CHECK-NEXT:   %3 = graph.reduce sum %2 axes [0] keepdims : (!graph.tensor<10 x 10 x f32>) -> !graph.tensor<1 x 10 x f32>
// CHECK-NEXT:   %4 = graph.div %2, %3 : (!graph.tensor<10 x 10 x f32>, !graph.tensor<1 x 10 x f32>) -> !graph.tensor<10 x 10 x f32>
// CHECK-NEXT:   func.return %4 : !graph.tensor<10 x 10 x f32>
// CHECK-NEXT: }
