// RUN: lamina-opt %s -p graph-simplify-arithmetic --constant 'two=dense<2.0> : tensor<f32>' --constant 'four=dense<4.0> : tensor<f32>' --constant 'zero=dense<0.0> : tensor<f32>' --constant 'n=dense<4> : tensor<i64>' | filecheck %s

func.func @scales_meet(%x: !graph.tensor<N x f32>) -> !graph.tensor<N x f32> {
  %two = graph.constant @two : !graph.tensor<f32>
  %four = graph.constant @four : !graph.tensor<f32>
  %0 = graph.mul %x, %two : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %1 = graph.div %0, %four : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  func.return %1 : !graph.tensor<N x f32>
}

func.func @shifts_meet(%x: !graph.tensor<N x f32>) -> !graph.tensor<N x f32> {
  %two = graph.constant @two : !graph.tensor<f32>
  %four = graph.constant @four : !graph.tensor<f32>
  %0 = graph.sub %x, %two : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %1 = graph.add %four, %0 : (!graph.tensor<f32>, !graph.tensor<N x f32>) -> !graph.tensor<N x f32>
  func.return %1 : !graph.tensor<N x f32>
}

// Integers round when divided, and 1 / 0 is no factor.

func.func @not_changed(%x: !graph.tensor<N x f32>, %i: !graph.tensor<N x i64>) -> (!graph.tensor<N x f32>, !graph.tensor<N x i64>) {
  %zero = graph.constant @zero : !graph.tensor<f32>
  %n = graph.constant @n : !graph.tensor<i64>
  %0 = graph.div %x, %zero : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %1 = graph.div %i, %n : (!graph.tensor<N x i64>, !graph.tensor<i64>) -> !graph.tensor<N x i64>
  func.return %0, %1 : !graph.tensor<N x f32>, !graph.tensor<N x i64>
}

// One reciprocal for many products is cheaper than as many divisions.

func.func @reciprocals(%x: !graph.tensor<N x 8 x f32>, %y: !graph.tensor<N x 8 x f32>, %z: !graph.tensor<N x 1 x f32>) -> (!graph.tensor<N x 8 x f32>, !graph.tensor<N x 8 x f32>) {
  %0 = graph.reciprocal %y : !graph.tensor<N x 8 x f32>
  %1 = graph.mul %x, %0 : !graph.tensor<N x 8 x f32>
  %2 = graph.reciprocal %z : !graph.tensor<N x 1 x f32>
  %3 = graph.mul %x, %2 : (!graph.tensor<N x 8 x f32>, !graph.tensor<N x 1 x f32>) -> !graph.tensor<N x 8 x f32>
  func.return %1, %3 : !graph.tensor<N x 8 x f32>, !graph.tensor<N x 8 x f32>
}

// CHECK:      func.func @scales_meet(%x: !graph.tensor<N x f32>) -> !graph.tensor<N x f32> {
// CHECK-NEXT:   %two = graph.constant @two : !graph.tensor<f32>
// CHECK-NEXT:   %four = graph.constant @four : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.constant @folded : !graph.tensor<f32>
// CHECK-NEXT:   %1 = graph.constant @folded_1 : !graph.tensor<f32>
// CHECK-NEXT:   %2 = graph.mul %x, %1 : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   func.return %2 : !graph.tensor<N x f32>
// CHECK-NEXT: }
// CHECK:      func.func @shifts_meet(%x: !graph.tensor<N x f32>) -> !graph.tensor<N x f32> {
// CHECK-NEXT:   %two = graph.constant @two : !graph.tensor<f32>
// CHECK-NEXT:   %four = graph.constant @four : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.constant @folded_2 : !graph.tensor<f32>
// CHECK-NEXT:   %1 = graph.constant @folded_3 : !graph.tensor<f32>
// CHECK-NEXT:   %2 = graph.add %x, %1 : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   func.return %2 : !graph.tensor<N x f32>
// CHECK-NEXT: }
// CHECK:      func.func @not_changed(%x: !graph.tensor<N x f32>, %i: !graph.tensor<N x i64>) -> (!graph.tensor<N x f32>, !graph.tensor<N x i64>) {
// CHECK-NEXT:   %zero = graph.constant @zero : !graph.tensor<f32>
// CHECK-NEXT:   %n = graph.constant @n : !graph.tensor<i64>
// CHECK-NEXT:   %0 = graph.div %x, %zero : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   %1 = graph.div %i, %n : (!graph.tensor<N x i64>, !graph.tensor<i64>) -> !graph.tensor<N x i64>
// CHECK-NEXT:   func.return %0, %1 : !graph.tensor<N x f32>, !graph.tensor<N x i64>
// CHECK-NEXT: }
// CHECK:      func.func @reciprocals(%x: !graph.tensor<N x 8 x f32>, %y: !graph.tensor<N x 8 x f32>, %z: !graph.tensor<N x 1 x f32>) -> (!graph.tensor<N x 8 x f32>, !graph.tensor<N x 8 x f32>) {
// CHECK-NEXT:   %0 = graph.div %x, %y : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %1 = graph.reciprocal %z : !graph.tensor<N x 1 x f32>
// CHECK-NEXT:   %2 = graph.mul %x, %1 : (!graph.tensor<N x 8 x f32>, !graph.tensor<N x 1 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   func.return %0, %2 : !graph.tensor<N x 8 x f32>, !graph.tensor<N x 8 x f32>
// CHECK-NEXT: }
