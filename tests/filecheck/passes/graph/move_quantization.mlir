// RUN: lamina-opt %s -p graph-move-quantization,graph-dead-code --constant 's=dense<0.5> : tensor<f32>' --constant 't=dense<0.25> : tensor<f32>' --constant 'z=dense<7> : tensor<ui8>' --constant 'zero=dense<0.0> : tensor<f32>' --constant 'c=dense<[[[[1.0]], [[2.0]]]]> : tensor<1x2x1x1xf32>' | filecheck %s

// Views, a border of zeros, maxima and what is above zero are those of the integers.

func.func @views(%x: !graph.tensor<N x 2 x 4 x 4 x ui8>) -> !graph.tensor<N x 2 x 9 x f32> {
  %s = graph.constant @s : !graph.tensor<f32>
  %z = graph.constant @z : !graph.tensor<ui8>
  %zero = graph.constant @zero : !graph.tensor<f32>
  %0 = graph.dequantize %x, %s, %z : (!graph.tensor<N x 2 x 4 x 4 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  %1 = graph.relu %0 : !graph.tensor<N x 2 x 4 x 4 x f32>
  %2 = graph.pad %1, %zero pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x 6 x 6 x f32>
  %3 = graph.max_pool %2 kernel [2, 2] strides [2, 2] : (!graph.tensor<N x 2 x 6 x 6 x f32>) -> !graph.tensor<N x 2 x 3 x 3 x f32>
  %4 = graph.reshape %3 : (!graph.tensor<N x 2 x 3 x 3 x f32>) -> !graph.tensor<N x 2 x 9 x f32>
  func.return %4 : !graph.tensor<N x 2 x 9 x f32>
}

// The scales of an axis go along with it.

func.func @axis(%x: !graph.tensor<3 x 2 x 4 x 4 x i8>) -> (!graph.tensor<2 x 3 x 4 x 4 x f32>, !graph.tensor<3 x 2 x 16 x f32>) {
  %c = graph.constant @c : !graph.tensor<1 x 2 x 1 x 1 x f32>
  %0 = graph.dequantize %x, %c : (!graph.tensor<3 x 2 x 4 x 4 x i8>, !graph.tensor<1 x 2 x 1 x 1 x f32>) -> !graph.tensor<3 x 2 x 4 x 4 x f32>
  %1 = graph.transpose %0 permutation [1, 0, 2, 3] : (!graph.tensor<3 x 2 x 4 x 4 x f32>) -> !graph.tensor<2 x 3 x 4 x 4 x f32>
  %2 = graph.reshape %0 : (!graph.tensor<3 x 2 x 4 x 4 x f32>) -> !graph.tensor<3 x 2 x 16 x f32>
  func.return %1, %2 : !graph.tensor<2 x 3 x 4 x 4 x f32>, !graph.tensor<3 x 2 x 16 x f32>
}

// Each part is quantised before it is joined to the others; the first was so before.

func.func @join(%x: !graph.tensor<N x 4 x ui8>, %y: !graph.tensor<N x 6 x f32>) -> !graph.tensor<10 x N x ui8> {
  %s = graph.constant @s : !graph.tensor<f32>
  %z = graph.constant @z : !graph.tensor<ui8>
  %0 = graph.dequantize %x, %s, %z : (!graph.tensor<N x 4 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 4 x f32>
  %1 = graph.concat %0, %y axis 1 : (!graph.tensor<N x 4 x f32>, !graph.tensor<N x 6 x f32>) -> !graph.tensor<N x 10 x f32>
  %2 = graph.transpose %1 permutation [1, 0] : (!graph.tensor<N x 10 x f32>) -> !graph.tensor<10 x N x f32>
  %3 = graph.quantize %2, %s, %z : (!graph.tensor<10 x N x f32>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<10 x N x ui8>
  func.return %3 : !graph.tensor<10 x N x ui8>
}

// CHECK:      func.func @views(%x: !graph.tensor<N x 2 x 4 x 4 x ui8>) -> !graph.tensor<N x 2 x 9 x f32> {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %z = graph.constant @z : !graph.tensor<ui8>
// CHECK-NEXT:   %0 = graph.constant @zero_1 : !graph.tensor<ui8>
// CHECK-NEXT:   %1 = graph.maximum %x, %0 : (!graph.tensor<N x 2 x 4 x 4 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<N x 2 x 4 x 4 x ui8>
// CHECK-NEXT:   %2 = graph.constant @zero_2 : !graph.tensor<ui8>
// CHECK-NEXT:   %3 = graph.pad %1, %2 pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<N x 2 x 4 x 4 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<N x 2 x 6 x 6 x ui8>
// CHECK-NEXT:   %4 = graph.max_pool %3 kernel [2, 2] strides [2, 2] : (!graph.tensor<N x 2 x 6 x 6 x ui8>) -> !graph.tensor<N x 2 x 3 x 3 x ui8>
// CHECK-NEXT:   %5 = graph.reshape %4 : (!graph.tensor<N x 2 x 3 x 3 x ui8>) -> !graph.tensor<N x 2 x 9 x ui8>
// CHECK-NEXT:   %6 = graph.dequantize %5, %s, %z : (!graph.tensor<N x 2 x 9 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 2 x 9 x f32>
// CHECK-NEXT:   func.return %6 : !graph.tensor<N x 2 x 9 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @axis(%x: !graph.tensor<3 x 2 x 4 x 4 x i8>) -> (!graph.tensor<2 x 3 x 4 x 4 x f32>, !graph.tensor<3 x 2 x 16 x f32>) {
// CHECK-NEXT:   %c = graph.constant @c : !graph.tensor<1 x 2 x 1 x 1 x f32>
// CHECK-NEXT:   %0 = graph.reshape %c : (!graph.tensor<1 x 2 x 1 x 1 x f32>) -> !graph.tensor<2 x 1 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = graph.transpose %x permutation [1, 0, 2, 3] : (!graph.tensor<3 x 2 x 4 x 4 x i8>) -> !graph.tensor<2 x 3 x 4 x 4 x i8>
// CHECK-NEXT:   %2 = graph.dequantize %1, %0 : (!graph.tensor<2 x 3 x 4 x 4 x i8>, !graph.tensor<2 x 1 x 1 x 1 x f32>) -> !graph.tensor<2 x 3 x 4 x 4 x f32>
// CHECK-NEXT:   %3 = graph.reshape %c : (!graph.tensor<1 x 2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 1 x f32>
// CHECK-NEXT:   %4 = graph.reshape %x : (!graph.tensor<3 x 2 x 4 x 4 x i8>) -> !graph.tensor<3 x 2 x 16 x i8>
// CHECK-NEXT:   %5 = graph.dequantize %4, %3 : (!graph.tensor<3 x 2 x 16 x i8>, !graph.tensor<1 x 2 x 1 x f32>) -> !graph.tensor<3 x 2 x 16 x f32>
// CHECK-NEXT:   func.return %2, %5 : !graph.tensor<2 x 3 x 4 x 4 x f32>, !graph.tensor<3 x 2 x 16 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @join(%x: !graph.tensor<N x 4 x ui8>, %y: !graph.tensor<N x 6 x f32>) -> !graph.tensor<10 x N x ui8> {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %z = graph.constant @z : !graph.tensor<ui8>
// CHECK-NEXT:   %0 = graph.quantize %y, %s, %z : (!graph.tensor<N x 6 x f32>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 6 x ui8>
// CHECK-NEXT:   %1 = graph.concat %x, %0 axis 1 : (!graph.tensor<N x 4 x ui8>, !graph.tensor<N x 6 x ui8>) -> !graph.tensor<N x 10 x ui8>
// CHECK-NEXT:   %2 = graph.transpose %1 permutation [1, 0] : (!graph.tensor<N x 10 x ui8>) -> !graph.tensor<10 x N x ui8>
// CHECK-NEXT:   func.return %2 : !graph.tensor<10 x N x ui8>
// CHECK-NEXT: }
