// RUN: lamina-opt %s -p graph-narrow-dequantized,graph-dead-code --constant 's=dense<0.5> : tensor<f32>' --constant 't=dense<[[0.5, 2.0]]> : tensor<1x2xf32>' --constant 'st=dense<[0.25, 1.0]> : tensor<2xf32>' --constant 'w=dense<1> : tensor<4x2xi8>' --constant 'b=dense<[5, 6]> : tensor<2xi32>' --constant 'z=dense<7> : tensor<ui8>' --constant 'k=dense<3> : tensor<2x3x3x3xi8>' --constant 'o=dense<[[[[0.5]]], [[[2.0]]]]> : tensor<2x1x1x1xf32>' --constant 'r=dense<[0.1, 0.2]> : tensor<2xf32>' --constant 'deep=dense<0.5> : tensor<4x1xf32>' | filecheck %s

// The bias has the scale of the product: its integers are added to the sums.

func.func @matmul(%x: !graph.tensor<M x 4 x ui8>) -> !graph.tensor<M x 2 x f32> {
  %s = graph.constant @s : !graph.tensor<f32>
  %t = graph.constant @t : !graph.tensor<1 x 2 x f32>
  %st = graph.constant @st : !graph.tensor<2 x f32>
  %w = graph.constant @w : !graph.tensor<4 x 2 x i8>
  %b = graph.constant @b : !graph.tensor<2 x i32>
  %z = graph.constant @z : !graph.tensor<ui8>
  %0 = graph.dequantize %x, %s, %z : (!graph.tensor<M x 4 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<M x 4 x f32>
  %1 = graph.dequantize %w, %t : (!graph.tensor<4 x 2 x i8>, !graph.tensor<1 x 2 x f32>) -> !graph.tensor<4 x 2 x f32>
  %2 = graph.dequantize %b, %st : (!graph.tensor<2 x i32>, !graph.tensor<2 x f32>) -> !graph.tensor<2 x f32>
  %3 = graph.matmul %0, %1 : (!graph.tensor<M x 4 x f32>, !graph.tensor<4 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  %4 = graph.add %3, %2 : (!graph.tensor<M x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %4 : !graph.tensor<M x 2 x f32>
}

// A bias of real numbers is added to the result.

func.func @conv(%x: !graph.tensor<1 x 3 x 5 x 5 x ui8>) -> !graph.tensor<1 x 2 x 5 x 5 x f32> {
  %s = graph.constant @s : !graph.tensor<f32>
  %o = graph.constant @o : !graph.tensor<2 x 1 x 1 x 1 x f32>
  %k = graph.constant @k : !graph.tensor<2 x 3 x 3 x 3 x i8>
  %r = graph.constant @r : !graph.tensor<2 x f32>
  %0 = graph.dequantize %x, %s : (!graph.tensor<1 x 3 x 5 x 5 x ui8>, !graph.tensor<f32>) -> !graph.tensor<1 x 3 x 5 x 5 x f32>
  %1 = graph.dequantize %k, %o : (!graph.tensor<2 x 3 x 3 x 3 x i8>, !graph.tensor<2 x 1 x 1 x 1 x f32>) -> !graph.tensor<2 x 3 x 3 x 3 x f32>
  %2 = graph.conv %0, %1, %r pads [1, 1, 1, 1] : (!graph.tensor<1 x 3 x 5 x 5 x f32>, !graph.tensor<2 x 3 x 3 x 3 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<1 x 2 x 5 x 5 x f32>
  func.return %2 : !graph.tensor<1 x 2 x 5 x 5 x f32>
}

// A mean is a sum of integers by their number.

func.func @mean(%x: !graph.tensor<N x 8 x 4 x 4 x ui8>) -> !graph.tensor<N x 8 x 1 x 1 x f32> {
  %s = graph.constant @s : !graph.tensor<f32>
  %z = graph.constant @z : !graph.tensor<ui8>
  %0 = graph.dequantize %x, %s, %z : (!graph.tensor<N x 8 x 4 x 4 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 8 x 4 x 4 x f32>
  %1 = graph.reduce mean %0 axes [2, 3] keepdims : (!graph.tensor<N x 8 x 4 x 4 x f32>) -> !graph.tensor<N x 8 x 1 x 1 x f32>
  func.return %1 : !graph.tensor<N x 8 x 1 x 1 x f32>
}

// Scales along the depth stay where they are.

func.func @depth(%x: !graph.tensor<M x 4 x ui8>, %y: !graph.tensor<4 x 2 x i8>) -> !graph.tensor<M x 2 x f32> {
  %s = graph.constant @s : !graph.tensor<f32>
  %deep = graph.constant @deep : !graph.tensor<4 x 1 x f32>
  %0 = graph.dequantize %x, %s : (!graph.tensor<M x 4 x ui8>, !graph.tensor<f32>) -> !graph.tensor<M x 4 x f32>
  %1 = graph.dequantize %y, %deep : (!graph.tensor<4 x 2 x i8>, !graph.tensor<4 x 1 x f32>) -> !graph.tensor<4 x 2 x f32>
  %2 = graph.matmul %0, %1 : (!graph.tensor<M x 4 x f32>, !graph.tensor<4 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %2 : !graph.tensor<M x 2 x f32>
}

// CHECK:      func.func @matmul(%x: !graph.tensor<M x 4 x ui8>) -> !graph.tensor<M x 2 x f32> {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %t = graph.constant @t : !graph.tensor<1 x 2 x f32>
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<4 x 2 x i8>
// CHECK-NEXT:   %b = graph.constant @b : !graph.tensor<2 x i32>
// CHECK-NEXT:   %z = graph.constant @z : !graph.tensor<ui8>
// CHECK-NEXT:   %0 = graph.cast %x : (!graph.tensor<M x 4 x ui8>) -> !graph.tensor<M x 4 x i32>
// CHECK-NEXT:   %1 = graph.cast %z : (!graph.tensor<ui8>) -> !graph.tensor<i32>
// CHECK-NEXT:   %2 = graph.sub %0, %1 : (!graph.tensor<M x 4 x i32>, !graph.tensor<i32>) -> !graph.tensor<M x 4 x i32>
// CHECK-NEXT:   %3 = graph.cast %w : (!graph.tensor<4 x 2 x i8>) -> !graph.tensor<4 x 2 x i32>
// CHECK-NEXT:   %4 = graph.matmul %2, %3 : (!graph.tensor<M x 4 x i32>, !graph.tensor<4 x 2 x i32>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %5 = graph.mul %s, %t : (!graph.tensor<f32>, !graph.tensor<1 x 2 x f32>) -> !graph.tensor<1 x 2 x f32>
// CHECK-NEXT:   %6 = graph.add %4, %b : (!graph.tensor<M x 2 x i32>, !graph.tensor<2 x i32>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %7 = graph.dequantize %6, %5 : (!graph.tensor<M x 2 x i32>, !graph.tensor<1 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   func.return %7 : !graph.tensor<M x 2 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @conv(%x: !graph.tensor<1 x 3 x 5 x 5 x ui8>) -> !graph.tensor<1 x 2 x 5 x 5 x f32> {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %o = graph.constant @o : !graph.tensor<2 x 1 x 1 x 1 x f32>
// CHECK-NEXT:   %k = graph.constant @k : !graph.tensor<2 x 3 x 3 x 3 x i8>
// CHECK-NEXT:   %r = graph.constant @r : !graph.tensor<2 x f32>
// CHECK-NEXT:   %0 = graph.reshape %o : (!graph.tensor<2 x 1 x 1 x 1 x f32>) -> !graph.tensor<2 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = graph.cast %x : (!graph.tensor<1 x 3 x 5 x 5 x ui8>) -> !graph.tensor<1 x 3 x 5 x 5 x i32>
// CHECK-NEXT:   %2 = graph.cast %k : (!graph.tensor<2 x 3 x 3 x 3 x i8>) -> !graph.tensor<2 x 3 x 3 x 3 x i32>
// CHECK-NEXT:   %3 = graph.mul %s, %0 : (!graph.tensor<f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<2 x 1 x 1 x f32>
// CHECK-NEXT:   %4 = graph.conv %1, %2 pads [1, 1, 1, 1] : (!graph.tensor<1 x 3 x 5 x 5 x i32>, !graph.tensor<2 x 3 x 3 x 3 x i32>) -> !graph.tensor<1 x 2 x 5 x 5 x i32>
// CHECK-NEXT:   %5 = graph.dequantize %4, %3 : (!graph.tensor<1 x 2 x 5 x 5 x i32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 5 x 5 x f32>
// CHECK-NEXT:   %6 = graph.reshape %r : (!graph.tensor<2 x f32>) -> !graph.tensor<2 x 1 x 1 x f32>
// CHECK-NEXT:   %7 = graph.add %5, %6 : (!graph.tensor<1 x 2 x 5 x 5 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 5 x 5 x f32>
// CHECK-NEXT:   func.return %7 : !graph.tensor<1 x 2 x 5 x 5 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @mean(%x: !graph.tensor<N x 8 x 4 x 4 x ui8>) -> !graph.tensor<N x 8 x 1 x 1 x f32> {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %z = graph.constant @z : !graph.tensor<ui8>
// CHECK-NEXT:   %0 = graph.cast %x : (!graph.tensor<N x 8 x 4 x 4 x ui8>) -> !graph.tensor<N x 8 x 4 x 4 x i32>
// CHECK-NEXT:   %1 = graph.reduce sum %0 axes [2, 3] keepdims : (!graph.tensor<N x 8 x 4 x 4 x i32>) -> !graph.tensor<N x 8 x 1 x 1 x i32>
// CHECK-NEXT:   %2 = graph.constant @count : !graph.tensor<i32>
// CHECK-NEXT:   %3 = graph.cast %z : (!graph.tensor<ui8>) -> !graph.tensor<i32>
// CHECK-NEXT:   %4 = graph.mul %3, %2 : !graph.tensor<i32>
// CHECK-NEXT:   %5 = graph.sub %1, %4 : (!graph.tensor<N x 8 x 1 x 1 x i32>, !graph.tensor<i32>) -> !graph.tensor<N x 8 x 1 x 1 x i32>
// CHECK-NEXT:   %6 = graph.constant @count_1 : !graph.tensor<f32>
// CHECK-NEXT:   %7 = graph.div %s, %6 : !graph.tensor<f32>
// CHECK-NEXT:   %8 = graph.dequantize %5, %7 : (!graph.tensor<N x 8 x 1 x 1 x i32>, !graph.tensor<f32>) -> !graph.tensor<N x 8 x 1 x 1 x f32>
// CHECK-NEXT:   func.return %8 : !graph.tensor<N x 8 x 1 x 1 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @depth(%x: !graph.tensor<M x 4 x ui8>, %y: !graph.tensor<4 x 2 x i8>) -> !graph.tensor<M x 2 x f32> {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %deep = graph.constant @deep : !graph.tensor<4 x 1 x f32>
// CHECK-NEXT:   %0 = graph.dequantize %x, %s : (!graph.tensor<M x 4 x ui8>, !graph.tensor<f32>) -> !graph.tensor<M x 4 x f32>
// CHECK-NEXT:   %1 = graph.dequantize %y, %deep : (!graph.tensor<4 x 2 x i8>, !graph.tensor<4 x 1 x f32>) -> !graph.tensor<4 x 2 x f32>
// CHECK-NEXT:   %2 = graph.matmul %0, %1 : (!graph.tensor<M x 4 x f32>, !graph.tensor<4 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   func.return %2 : !graph.tensor<M x 2 x f32>
// CHECK-NEXT: }
