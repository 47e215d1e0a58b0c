// RUN: lamina-opt %s -p graph-expand-quantization,graph-fold-constants,graph-dead-code --constant 's=dense<0.5> : tensor<f32>' --constant 't=dense<0.25> : tensor<f32>' --constant 'z=dense<7> : tensor<ui8>' --constant 'none=dense<0> : tensor<ui8>' --constant 'six=dense<64.0> : tensor<f32>' --constant 'b=dense<[1.0, 2.0]> : tensor<2xf32>' | filecheck %s

func.func @alone(%x: !graph.tensor<M x f32>, %q: !graph.tensor<M x ui8>) -> (!graph.tensor<M x ui8>, !graph.tensor<M x f32>) {
  %s = graph.constant @s : !graph.tensor<f32>
  %z = graph.constant @z : !graph.tensor<ui8>
  %0 = graph.quantize %x, %s, %z : (!graph.tensor<M x f32>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<M x ui8>
  %1 = graph.dequantize %q, %s, %z : (!graph.tensor<M x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<M x f32>
  func.return %0, %1 : !graph.tensor<M x ui8>, !graph.tensor<M x f32>
}

// Three scales become one factor for each addend. What the range of bytes bounds needs no relu, and no minimum.

func.func @sum(%total: !graph.tensor<M x 2 x i32>, %q: !graph.tensor<M x 2 x ui8>) -> !graph.tensor<M x 2 x ui8> {
  %s = graph.constant @s : !graph.tensor<f32>
  %t = graph.constant @t : !graph.tensor<f32>
  %z = graph.constant @z : !graph.tensor<ui8>
  %none = graph.constant @none : !graph.tensor<ui8>
  %six = graph.constant @six : !graph.tensor<f32>
  %b = graph.constant @b : !graph.tensor<2 x f32>
  %0 = graph.dequantize %total, %s : (!graph.tensor<M x 2 x i32>, !graph.tensor<f32>) -> !graph.tensor<M x 2 x f32>
  %1 = graph.add %0, %b : (!graph.tensor<M x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<M x 2 x f32>
  %2 = graph.dequantize %q, %s, %z : (!graph.tensor<M x 2 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<M x 2 x f32>
  %3 = graph.add %1, %2 : !graph.tensor<M x 2 x f32>
  %4 = graph.relu %3 : !graph.tensor<M x 2 x f32>
  %5 = graph.minimum %4, %six : (!graph.tensor<M x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<M x 2 x f32>
  %6 = graph.quantize %5, %t, %none : (!graph.tensor<M x 2 x f32>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<M x 2 x ui8>
  func.return %6 : !graph.tensor<M x 2 x ui8>
}

// A function's result is multiplied by the reciprocal.

func.func @other(%total: !graph.tensor<M x i32>) -> !graph.tensor<M x i8> {
  %s = graph.constant @s : !graph.tensor<f32>
  %t = graph.constant @t : !graph.tensor<f32>
  %0 = graph.dequantize %total, %s : (!graph.tensor<M x i32>, !graph.tensor<f32>) -> !graph.tensor<M x f32>
  %1 = graph.tanh %0 : !graph.tensor<M x f32>
  %2 = graph.quantize %1, %t : (!graph.tensor<M x f32>, !graph.tensor<f32>) -> !graph.tensor<M x i8>
  func.return %2 : !graph.tensor<M x i8>
}

// CHECK:      func.func @alone(%x: !graph.tensor<M x f32>, %q: !graph.tensor<M x ui8>) -> (!graph.tensor<M x ui8>, !graph.tensor<M x f32>) {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.div %x, %s : (!graph.tensor<M x f32>, !graph.tensor<f32>) -> !graph.tensor<M x f32>
// CHECK-NEXT:   %1 = graph.round %0 : !graph.tensor<M x f32>
// CHECK-NEXT:   %2 = graph.constant @folded : !graph.tensor<f32>
// CHECK-NEXT:   %3 = graph.add %1, %2 : (!graph.tensor<M x f32>, !graph.tensor<f32>) -> !graph.tensor<M x f32>
// CHECK-NEXT:   %4 = graph.cast %3 saturate : (!graph.tensor<M x f32>) -> !graph.tensor<M x ui8>
// CHECK-NEXT:   %5 = graph.cast %q : (!graph.tensor<M x ui8>) -> !graph.tensor<M x i32>
// CHECK-NEXT:   %6 = graph.constant @folded_1 : !graph.tensor<i32>
// CHECK-NEXT:   %7 = graph.sub %5, %6 : (!graph.tensor<M x i32>, !graph.tensor<i32>) -> !graph.tensor<M x i32>
// CHECK-NEXT:   %8 = graph.cast %7 : (!graph.tensor<M x i32>) -> !graph.tensor<M x f32>
// CHECK-NEXT:   %9 = graph.mul %8, %s : (!graph.tensor<M x f32>, !graph.tensor<f32>) -> !graph.tensor<M x f32>
// CHECK-NEXT:   func.return %4, %9 : !graph.tensor<M x ui8>, !graph.tensor<M x f32>
// CHECK-NEXT: }
// CHECK:      func.func @sum(%total: !graph.tensor<M x 2 x i32>, %q: !graph.tensor<M x 2 x ui8>) -> !graph.tensor<M x 2 x ui8> {
// CHECK-NEXT:   %0 = graph.constant @folded_2 : !graph.tensor<f32>
// CHECK-NEXT:   %1 = graph.cast %total : (!graph.tensor<M x 2 x i32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   %2 = graph.mul %1, %0 : (!graph.tensor<M x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   %3 = graph.constant @folded_3 : !graph.tensor<2 x f32>
// CHECK-NEXT:   %4 = graph.add %2, %3 : (!graph.tensor<M x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   %5 = graph.constant @folded_4 : !graph.tensor<f32>
// CHECK-NEXT:   %6 = graph.cast %q : (!graph.tensor<M x 2 x ui8>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %7 = graph.constant @folded_5 : !graph.tensor<i32>
// CHECK-NEXT:   %8 = graph.sub %6, %7 : (!graph.tensor<M x 2 x i32>, !graph.tensor<i32>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %9 = graph.cast %8 : (!graph.tensor<M x 2 x i32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   %10 = graph.mul %9, %5 : (!graph.tensor<M x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   %11 = graph.add %4, %10 : !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   %12 = graph.round %11 : !graph.tensor<M x 2 x f32>
// CHECK-NEXT:   %13 = graph.cast %12 saturate : (!graph.tensor<M x 2 x f32>) -> !graph.tensor<M x 2 x ui8>
// CHECK-NEXT:   func.return %13 : !graph.tensor<M x 2 x ui8>
// CHECK-NEXT: }
// CHECK:      func.func @other(%total: !graph.tensor<M x i32>) -> !graph.tensor<M x i8> {
// CHECK-NEXT:   %s = graph.constant @s : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.cast %total : (!graph.tensor<M x i32>) -> !graph.tensor<M x f32>
// CHECK-NEXT:   %1 = graph.mul %0, %s : (!graph.tensor<M x f32>, !graph.tensor<f32>) -> !graph.tensor<M x f32>
// CHECK-NEXT:   %2 = graph.tanh %1 : !graph.tensor<M x f32>
// CHECK-NEXT:   %3 = graph.constant @folded_6 : !graph.tensor<f32>
// CHECK-NEXT:   %4 = graph.mul %2, %3 : (!graph.tensor<M x f32>, !graph.tensor<f32>) -> !graph.tensor<M x f32>
// CHECK-NEXT:   %5 = graph.round %4 : !graph.tensor<M x f32>
// CHECK-NEXT:   %6 = graph.cast %5 saturate : (!graph.tensor<M x f32>) -> !graph.tensor<M x i8>
// CHECK-NEXT:   func.return %6 : !graph.tensor<M x i8>
// CHECK-NEXT: }
