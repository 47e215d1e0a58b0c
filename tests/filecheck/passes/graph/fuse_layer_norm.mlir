// RUN: lamina-opt %s -p graph-fuse-layer-norm,graph-dead-code --constant 'epsilon=dense<0.5> : tensor<f32>' --constant 'scale=dense<[2.0, 3.0]> : tensor<2xf32>' --constant 'bias=dense<[[1.0, 4.0]]> : tensor<1x2xf32>' --constant 'half=dense<0.5> : tensor<f32>' | filecheck %s

func.func @with_scale_and_bias(%x: !graph.tensor<N x S x 2 x f32>) -> !graph.tensor<N x S x 2 x f32> {
  %epsilon = graph.constant @epsilon : !graph.tensor<f32>
  %scale = graph.constant @scale : !graph.tensor<2 x f32>
  %bias = graph.constant @bias : !graph.tensor<1 x 2 x f32>
  %0 = graph.reduce mean %x axes [2] keepdims : (!graph.tensor<N x S x 2 x f32>) -> !graph.tensor<N x S x 1 x f32>
  %1 = graph.sub %x, %0 : (!graph.tensor<N x S x 2 x f32>, !graph.tensor<N x S x 1 x f32>) -> !graph.tensor<N x S x 2 x f32>
  %2 = graph.mul %1, %1 : !graph.tensor<N x S x 2 x f32>
  %3 = graph.reduce mean %2 axes [2] keepdims : (!graph.tensor<N x S x 2 x f32>) -> !graph.tensor<N x S x 1 x f32>
  %4 = graph.add %3, %epsilon : (!graph.tensor<N x S x 1 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x S x 1 x f32>
  %5 = graph.sqrt %4 : !graph.tensor<N x S x 1 x f32>
  %6 = graph.div %1, %5 : (!graph.tensor<N x S x 2 x f32>, !graph.tensor<N x S x 1 x f32>) -> !graph.tensor<N x S x 2 x f32>
  %7 = graph.mul %6, %scale : (!graph.tensor<N x S x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<N x S x 2 x f32>
  %8 = graph.add %bias, %7 : (!graph.tensor<1 x 2 x f32>, !graph.tensor<N x S x 2 x f32>) -> !graph.tensor<N x S x 2 x f32>
  func.return %8 : !graph.tensor<N x S x 2 x f32>
}

// The mean as a sum times 1 / n, the root as a power, its reciprocal, no scale.

func.func @other_spelling(%x: !graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 2 x f32> {
  %epsilon = graph.constant @epsilon : !graph.tensor<f32>
  %half = graph.constant @half : !graph.tensor<f32>
  %0 = graph.reduce sum %x axes [1] keepdims : (!graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 1 x f32>
  %1 = graph.mul %0, %half : (!graph.tensor<N x 1 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 1 x f32>
  %2 = graph.sub %x, %1 : (!graph.tensor<N x 2 x f32>, !graph.tensor<N x 1 x f32>) -> !graph.tensor<N x 2 x f32>
  %3 = graph.mul %2, %2 : !graph.tensor<N x 2 x f32>
  %4 = graph.reduce sum %3 axes [1] keepdims : (!graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 1 x f32>
  %5 = graph.mul %half, %4 : (!graph.tensor<f32>, !graph.tensor<N x 1 x f32>) -> !graph.tensor<N x 1 x f32>
  %6 = graph.add %epsilon, %5 : (!graph.tensor<f32>, !graph.tensor<N x 1 x f32>) -> !graph.tensor<N x 1 x f32>
  %7 = graph.pow %6, %half : (!graph.tensor<N x 1 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 1 x f32>
  %8 = graph.reciprocal %7 : !graph.tensor<N x 1 x f32>
  %9 = graph.mul %8, %2 : (!graph.tensor<N x 1 x f32>, !graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 2 x f32>
  func.return %9 : !graph.tensor<N x 2 x f32>
}

// Normalised over the first axis: another operation.

func.func @not_the_last_axes(%x: !graph.tensor<2 x N x f32>) -> !graph.tensor<2 x N x f32> {
  %epsilon = graph.constant @epsilon : !graph.tensor<f32>
  %0 = graph.reduce mean %x axes [0] keepdims : (!graph.tensor<2 x N x f32>) -> !graph.tensor<1 x N x f32>
  %1 = graph.sub %x, %0 : (!graph.tensor<2 x N x f32>, !graph.tensor<1 x N x f32>) -> !graph.tensor<2 x N x f32>
  %2 = graph.mul %1, %1 : !graph.tensor<2 x N x f32>
  %3 = graph.reduce mean %2 axes [0] keepdims : (!graph.tensor<2 x N x f32>) -> !graph.tensor<1 x N x f32>
  %4 = graph.add %3, %epsilon : (!graph.tensor<1 x N x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x N x f32>
  %5 = graph.sqrt %4 : !graph.tensor<1 x N x f32>
  %6 = graph.div %1, %5 : (!graph.tensor<2 x N x f32>, !graph.tensor<1 x N x f32>) -> !graph.tensor<2 x N x f32>
  func.return %6 : !graph.tensor<2 x N x f32>
}

// CHECK:      func.func @with_scale_and_bias(%x: !graph.tensor<N x S x 2 x f32>) -> !graph.tensor<N x S x 2 x f32> {
// CHECK-NEXT:   %0 = graph.constant @scale_1 : !graph.tensor<2 x f32>
// CHECK-NEXT:   %1 = graph.constant @bias_1 : !graph.tensor<2 x f32>
// CHECK-NEXT:   %2 = graph.layer_norm %x, %0, %1 axis 2 epsilon 0.5 : (!graph.tensor<N x S x 2 x f32>, !graph.tensor<2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<N x S x 2 x f32>
// CHECK-NEXT:   func.return %2 : !graph.tensor<N x S x 2 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @other_spelling(%x: !graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 2 x f32> {
// CHECK-NEXT:   %0 = graph.constant @scale_2 : !graph.tensor<2 x f32>
// CHECK-NEXT:   %1 = graph.layer_norm %x, %0 axis 1 epsilon 0.5 : (!graph.tensor<N x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 2 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<N x 2 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @not_the_last_axes(%x: !graph.tensor<2 x N x f32>) -> !graph.tensor<2 x N x f32> {
// CHECK-NEXT:   %epsilon = graph.constant @epsilon : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.reduce mean %x axes [0] keepdims : (!graph.tensor<2 x N x f32>) -> !graph.tensor<1 x N x f32>
// CHECK-NEXT:   %1 = graph.sub %x, %0 : (!graph.tensor<2 x N x f32>, !graph.tensor<1 x N x f32>) -> !graph.tensor<2 x N x f32>
// CHECK-NEXT:   %2 = graph.mul %1, %1 : !graph.tensor<2 x N x f32>
// CHECK-NEXT:   %3 = graph.reduce mean %2 axes [0] keepdims : (!graph.tensor<2 x N x f32>) -> !graph.tensor<1 x N x f32>
// CHECK-NEXT:   %4 = graph.add %3, %epsilon : (!graph.tensor<1 x N x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x N x f32>
// CHECK-NEXT:   %5 = graph.sqrt %4 : !graph.tensor<1 x N x f32>
// CHECK-NEXT:   %6 = graph.div %1, %5 : (!graph.tensor<2 x N x f32>, !graph.tensor<1 x N x f32>) -> !graph.tensor<2 x N x f32>
// CHECK-NEXT:   func.return %6 : !graph.tensor<2 x N x f32>
// CHECK-NEXT: }
