// RUN: lamina-opt %s --machine avx2_vnni -p graph-fold-constants,graph-narrow-products,graph-dead-code --constant 'w=dense<[[-3, 2], [100, -128], [5, 6]]> : tensor<3x2xi8>' --constant 'far=dense<[[0, 2], [200, 128], [-5, 6]]> : tensor<3x2xi32>' --constant 'k=dense<2> : tensor<4x8x3x3xi8>' --constant 'three=dense<3> : tensor<i32>' --constant 'least=dense<-128> : tensor<i32>' | filecheck %s

// A zero point that a run tells is multiplied by the sums of the columns of the weights, which are known.

func.func @weights(%x: !graph.tensor<M x 3 x ui8>, %zero: !graph.tensor<i32>) -> !graph.tensor<M x 2 x i32> {
  %w = graph.constant @w : !graph.tensor<3 x 2 x i8>
  %0 = graph.cast %w : (!graph.tensor<3 x 2 x i8>) -> !graph.tensor<3 x 2 x i32>
  %1 = graph.cast %x : (!graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 3 x i32>
  %2 = graph.sub %1, %zero : (!graph.tensor<M x 3 x i32>, !graph.tensor<i32>) -> !graph.tensor<M x 3 x i32>
  %3 = graph.matmul %2, %0 : (!graph.tensor<M x 3 x i32>, !graph.tensor<3 x 2 x i32>) -> !graph.tensor<M x 2 x i32>
  func.return %3 : !graph.tensor<M x 2 x i32>
}

// The first column is too far from zero for 8 bits; less 73 it fits.

func.func @shifted(%x: !graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 2 x i32> {
  %w = graph.constant @far : !graph.tensor<3 x 2 x i32>
  %0 = graph.cast %x : (!graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 3 x i32>
  %1 = graph.matmul %0, %w : (!graph.tensor<M x 3 x i32>, !graph.tensor<3 x 2 x i32>) -> !graph.tensor<M x 2 x i32>
  func.return %1 : !graph.tensor<M x 2 x i32>
}

func.func @both(%a: !graph.tensor<M x 8 x i8>, %b: !graph.tensor<8 x N x ui8>, %s: !graph.tensor<M x 1 x i32>, %t: !graph.tensor<i32>) -> !graph.tensor<M x N x i32> {
  %0 = graph.cast %a : (!graph.tensor<M x 8 x i8>) -> !graph.tensor<M x 8 x i32>
  %1 = graph.sub %0, %s : (!graph.tensor<M x 8 x i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x 8 x i32>
  %2 = graph.cast %b : (!graph.tensor<8 x N x ui8>) -> !graph.tensor<8 x N x i32>
  %3 = graph.sub %2, %t : (!graph.tensor<8 x N x i32>, !graph.tensor<i32>) -> !graph.tensor<8 x N x i32>
  %4 = graph.matmul %1, %3 : (!graph.tensor<M x 8 x i32>, !graph.tensor<8 x N x i32>) -> !graph.tensor<M x N x i32>
  func.return %4 : !graph.tensor<M x N x i32>
}

// Where the machine multiplies no such signs, a factor is shifted by 128, and its zero point with it.

func.func @signs(%a: !graph.tensor<M x 8 x ui8>, %b: !graph.tensor<8 x N x ui8>) -> !graph.tensor<M x N x i32> {
  %three = graph.constant @three : !graph.tensor<i32>
  %0 = graph.cast %a : (!graph.tensor<M x 8 x ui8>) -> !graph.tensor<M x 8 x i32>
  %1 = graph.cast %b : (!graph.tensor<8 x N x ui8>) -> !graph.tensor<8 x N x i32>
  %2 = graph.sub %1, %three : (!graph.tensor<8 x N x i32>, !graph.tensor<i32>) -> !graph.tensor<8 x N x i32>
  %3 = graph.matmul %0, %2 : (!graph.tensor<M x 8 x i32>, !graph.tensor<8 x N x i32>) -> !graph.tensor<M x N x i32>
  func.return %3 : !graph.tensor<M x N x i32>
}

// Where -128 stands for zero, 0 does once 128 is added.

func.func @middle(%x: !graph.tensor<1 x 8 x 5 x 5 x i8>) -> !graph.tensor<1 x 4 x 5 x 5 x i32> {
  %k = graph.constant @k : !graph.tensor<4 x 8 x 3 x 3 x i8>
  %least = graph.constant @least : !graph.tensor<i32>
  %0 = graph.cast %k : (!graph.tensor<4 x 8 x 3 x 3 x i8>) -> !graph.tensor<4 x 8 x 3 x 3 x i32>
  %1 = graph.cast %x : (!graph.tensor<1 x 8 x 5 x 5 x i8>) -> !graph.tensor<1 x 8 x 5 x 5 x i32>
  %2 = graph.sub %1, %least : (!graph.tensor<1 x 8 x 5 x 5 x i32>, !graph.tensor<i32>) -> !graph.tensor<1 x 8 x 5 x 5 x i32>
  %3 = graph.conv %2, %0 pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x i32>, !graph.tensor<4 x 8 x 3 x 3 x i32>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
  func.return %3 : !graph.tensor<1 x 4 x 5 x 5 x i32>
}

// Zeros around the difference are the zero point around x, which may be known to a run alone.

func.func @conv(%x: !graph.tensor<1 x 8 x 5 x 5 x ui8>, %point: !graph.tensor<ui8>) -> (!graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 4 x 5 x 5 x i32>) {
  %k = graph.constant @k : !graph.tensor<4 x 8 x 3 x 3 x i8>
  %three = graph.constant @three : !graph.tensor<i32>
  %0 = graph.cast %k : (!graph.tensor<4 x 8 x 3 x 3 x i8>) -> !graph.tensor<4 x 8 x 3 x 3 x i32>
  %1 = graph.cast %x : (!graph.tensor<1 x 8 x 5 x 5 x ui8>) -> !graph.tensor<1 x 8 x 5 x 5 x i32>
  %2 = graph.sub %1, %three : (!graph.tensor<1 x 8 x 5 x 5 x i32>, !graph.tensor<i32>) -> !graph.tensor<1 x 8 x 5 x 5 x i32>
  %3 = graph.conv %2, %0 pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x i32>, !graph.tensor<4 x 8 x 3 x 3 x i32>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
  %zero = graph.cast %point : (!graph.tensor<ui8>) -> !graph.tensor<i32>
  %4 = graph.sub %1, %zero : (!graph.tensor<1 x 8 x 5 x 5 x i32>, !graph.tensor<i32>) -> !graph.tensor<1 x 8 x 5 x 5 x i32>
  %5 = graph.conv %4, %0 pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x i32>, !graph.tensor<4 x 8 x 3 x 3 x i32>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
  func.return %3, %5 : !graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 4 x 5 x 5 x i32>
}

// CHECK:      func.func @weights(%x: !graph.tensor<M x 3 x ui8>, %zero: !graph.tensor<i32>) -> !graph.tensor<M x 2 x i32> {
// CHECK-NEXT:   %0 = graph.constant @folded_3 : !graph.tensor<2 x i32>
// CHECK-NEXT:   %1 = graph.mul %zero, %0 : (!graph.tensor<i32>, !graph.tensor<2 x i32>) -> !graph.tensor<2 x i32>
// CHECK-NEXT:   %2 = graph.constant @folded_4 : !graph.tensor<3 x 2 x i8>
// CHECK-NEXT:   %3 = graph.matmul %x, %2 : (!graph.tensor<M x 3 x ui8>, !graph.tensor<3 x 2 x i8>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %4 = graph.sub %3, %1 : (!graph.tensor<M x 2 x i32>, !graph.tensor<2 x i32>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   func.return %4 : !graph.tensor<M x 2 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @shifted(%x: !graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 2 x i32> {
// CHECK-NEXT:   %0 = graph.constant @ones_int8_3x1 : !graph.tensor<3 x 1 x i8>
// CHECK-NEXT:   %1 = graph.matmul %x, %0 : (!graph.tensor<M x 3 x ui8>, !graph.tensor<3 x 1 x i8>) -> !graph.tensor<M x 1 x i32>
// CHECK-NEXT:   %2 = graph.constant @folded_5 : !graph.tensor<1 x 2 x i32>
// CHECK-NEXT:   %3 = graph.mul %2, %1 : (!graph.tensor<1 x 2 x i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %4 = graph.constant @far_1 : !graph.tensor<3 x 2 x i8>
// CHECK-NEXT:   %5 = graph.matmul %x, %4 : (!graph.tensor<M x 3 x ui8>, !graph.tensor<3 x 2 x i8>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %6 = graph.sub %5, %3 : !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   func.return %6 : !graph.tensor<M x 2 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @both(%a: !graph.tensor<M x 8 x i8>, %b: !graph.tensor<8 x N x ui8>, %s: !graph.tensor<M x 1 x i32>, %t: !graph.tensor<i32>) -> !graph.tensor<M x N x i32> {
// CHECK-NEXT:   %0 = graph.constant @int32_8 : !graph.tensor<i32>
// CHECK-NEXT:   %1 = graph.mul %t, %0 : !graph.tensor<i32>
// CHECK-NEXT:   %2 = graph.cast %b : (!graph.tensor<8 x N x ui8>) -> !graph.tensor<8 x N x i32>
// CHECK-NEXT:   %3 = graph.reduce sum %2 axes [0] : (!graph.tensor<8 x N x i32>) -> !graph.tensor<N x i32>
// CHECK-NEXT:   %4 = graph.sub %3, %1 : (!graph.tensor<N x i32>, !graph.tensor<i32>) -> !graph.tensor<N x i32>
// CHECK-NEXT:   %5 = graph.mul %s, %4 : (!graph.tensor<M x 1 x i32>, !graph.tensor<N x i32>) -> !graph.tensor<M x N x i32>
// CHECK-NEXT:   %6 = graph.constant @ones_uint8_8x1 : !graph.tensor<8 x 1 x ui8>
// CHECK-NEXT:   %7 = graph.matmul %a, %6 : (!graph.tensor<M x 8 x i8>, !graph.tensor<8 x 1 x ui8>) -> !graph.tensor<M x 1 x i32>
// CHECK-NEXT:   %8 = graph.mul %t, %7 : (!graph.tensor<i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x 1 x i32>
// CHECK-NEXT:   %9 = graph.matmul %a, %b : (!graph.tensor<M x 8 x i8>, !graph.tensor<8 x N x ui8>) -> !graph.tensor<M x N x i32>
// CHECK-NEXT:   %10 = graph.sub %9, %5 : !graph.tensor<M x N x i32>
// CHECK-NEXT:   %11 = graph.sub %10, %8 : (!graph.tensor<M x N x i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x N x i32>
// CHECK-NEXT:   func.return %11 : !graph.tensor<M x N x i32>
// CHECK-NEXT: }
// CHECK:      func.func @signs(%a: !graph.tensor<M x 8 x ui8>, %b: !graph.tensor<8 x N x ui8>) -> !graph.tensor<M x N x i32> {
// CHECK-NEXT:   %0 = graph.cast %b : (!graph.tensor<8 x N x ui8>) -> !graph.tensor<8 x N x i8>
// CHECK-NEXT:   %1 = graph.constant @int8_minus_128 : !graph.tensor<i8>
// CHECK-NEXT:   %2 = graph.add %0, %1 : (!graph.tensor<8 x N x i8>, !graph.tensor<i8>) -> !graph.tensor<8 x N x i8>
// CHECK-NEXT:   %3 = graph.constant @ones_int8_8x1 : !graph.tensor<8 x 1 x i8>
// CHECK-NEXT:   %4 = graph.matmul %a, %3 : (!graph.tensor<M x 8 x ui8>, !graph.tensor<8 x 1 x i8>) -> !graph.tensor<M x 1 x i32>
// CHECK-NEXT:   %5 = graph.constant @int32_minus_125 : !graph.tensor<i32>
// CHECK-NEXT:   %6 = graph.mul %5, %4 : (!graph.tensor<i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x 1 x i32>
// CHECK-NEXT:   %7 = graph.matmul %a, %2 : (!graph.tensor<M x 8 x ui8>, !graph.tensor<8 x N x i8>) -> !graph.tensor<M x N x i32>
// CHECK-NEXT:   %8 = graph.sub %7, %6 : (!graph.tensor<M x N x i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x N x i32>
// CHECK-NEXT:   func.return %8 : !graph.tensor<M x N x i32>
// CHECK-NEXT: }
// CHECK:      func.func @middle(%x: !graph.tensor<1 x 8 x 5 x 5 x i8>) -> !graph.tensor<1 x 4 x 5 x 5 x i32> {
// CHECK-NEXT:   %0 = graph.cast %x : (!graph.tensor<1 x 8 x 5 x 5 x i8>) -> !graph.tensor<1 x 8 x 5 x 5 x ui8>
// CHECK-NEXT:   %1 = graph.constant @uint8_128 : !graph.tensor<ui8>
// CHECK-NEXT:   %2 = graph.add %0, %1 : (!graph.tensor<1 x 8 x 5 x 5 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<1 x 8 x 5 x 5 x ui8>
// CHECK-NEXT:   %3 = graph.constant @folded_1_1 : !graph.tensor<4 x 8 x 3 x 3 x i8>
// CHECK-NEXT:   %4 = graph.conv %2, %3 pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x ui8>, !graph.tensor<4 x 8 x 3 x 3 x i8>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
// CHECK-NEXT:   func.return %4 : !graph.tensor<1 x 4 x 5 x 5 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @conv(%x: !graph.tensor<1 x 8 x 5 x 5 x ui8>, %point: !graph.tensor<ui8>) -> (!graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 4 x 5 x 5 x i32>) {
// CHECK-NEXT:   %0 = graph.constant @uint8_3 : !graph.tensor<ui8>
// CHECK-NEXT:   %1 = graph.pad %x, %0 pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<1 x 8 x 7 x 7 x ui8>
// CHECK-NEXT:   %2 = graph.constant @folded_2_1 : !graph.tensor<4 x 8 x 3 x 3 x i8>
// CHECK-NEXT:   %3 = graph.constant @folded_6 : !graph.tensor<4 x i32>
// CHECK-NEXT:   %4 = graph.conv %1, %2, %3 : (!graph.tensor<1 x 8 x 7 x 7 x ui8>, !graph.tensor<4 x 8 x 3 x 3 x i8>, !graph.tensor<4 x i32>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
// CHECK-NEXT:   %zero = graph.cast %point : (!graph.tensor<ui8>) -> !graph.tensor<i32>
// CHECK-NEXT:   %5 = graph.constant @uint8_0 : !graph.tensor<ui8>
// CHECK-NEXT:   %6 = graph.pad %x, %5 pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<1 x 8 x 7 x 7 x ui8>
// CHECK-NEXT:   %7 = graph.broadcast_to %5 : (!graph.tensor<ui8>) -> !graph.tensor<1 x 1 x 5 x 5 x ui8>
// CHECK-NEXT:   %8 = graph.constant @uint8_1 : !graph.tensor<ui8>
// CHECK-NEXT:   %9 = graph.pad %7, %8 pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 1 x 5 x 5 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<1 x 1 x 7 x 7 x ui8>
// CHECK-NEXT:   %10 = graph.mul %9, %point : (!graph.tensor<1 x 1 x 7 x 7 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<1 x 1 x 7 x 7 x ui8>
// CHECK-NEXT:   %11 = graph.add %6, %10 : (!graph.tensor<1 x 8 x 7 x 7 x ui8>, !graph.tensor<1 x 1 x 7 x 7 x ui8>) -> !graph.tensor<1 x 8 x 7 x 7 x ui8>
// CHECK-NEXT:   %12 = graph.constant @folded_7 : !graph.tensor<4 x i32>
// CHECK-NEXT:   %13 = graph.mul %zero, %12 : (!graph.tensor<i32>, !graph.tensor<4 x i32>) -> !graph.tensor<4 x i32>
// CHECK-NEXT:   %14 = graph.constant @int32_0 : !graph.tensor<i32>
// CHECK-NEXT:   %15 = graph.sub %14, %13 : (!graph.tensor<i32>, !graph.tensor<4 x i32>) -> !graph.tensor<4 x i32>
// CHECK-NEXT:   %16 = graph.constant @folded_2_2 : !graph.tensor<4 x 8 x 3 x 3 x i8>
// CHECK-NEXT:   %17 = graph.conv %11, %16, %15 : (!graph.tensor<1 x 8 x 7 x 7 x ui8>, !graph.tensor<4 x 8 x 3 x 3 x i8>, !graph.tensor<4 x i32>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
// CHECK-NEXT:   func.return %4, %17 : !graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 4 x 5 x 5 x i32>
// CHECK-NEXT: }
