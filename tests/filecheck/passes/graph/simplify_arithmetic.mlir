// RUN: lamina-opt %s -p graph-simplify-arithmetic --constant 'three=dense<3.0> : tensor<f32>' --constant 'four=dense<4.0> : tensor<f32>' --constant 'zero=dense<0.0> : tensor<f32>' --constant 'tiny=dense<1.0e-40> : tensor<f32>' --constant 'n=dense<4> : tensor<i64>' | filecheck %s

// Powers of two have exact reciprocals, and x - c is x + -c to the bit.

func.func @exact(%x: !graph.tensor<N x f32>) -> (!graph.tensor<N x f32>, !graph.tensor<N x f32>) {
  %three = graph.constant @three : !graph.tensor<f32>
  %four = graph.constant @four : !graph.tensor<f32>
  %0 = graph.div %x, %four : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %1 = graph.sub %x, %three : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  func.return %0, %1 : !graph.tensor<N x f32>, !graph.tensor<N x f32>
}
// CHECK-LABEL: func.func @exact
// CHECK: %[[QUARTER:.*]] = graph.constant @folded : !graph.tensor<f32>
// CHECK: graph.mul %x, %[[QUARTER]]
// CHECK: %[[MINUS:.*]] = graph.constant @folded_1 : !graph.tensor<f32>
// CHECK: graph.add %x, %[[MINUS]]

// 1 / 3 is rounded, 1 / 0 is no number, 1 / 1e-40 overflows, and integers round when divided.

func.func @not_exact(%x: !graph.tensor<N x f32>, %i: !graph.tensor<N x i64>) -> (!graph.tensor<N x f32>, !graph.tensor<N x f32>, !graph.tensor<N x f32>, !graph.tensor<N x i64>) {
  %three = graph.constant @three : !graph.tensor<f32>
  %zero = graph.constant @zero : !graph.tensor<f32>
  %tiny = graph.constant @tiny : !graph.tensor<f32>
  %n = graph.constant @n : !graph.tensor<i64>
  %0 = graph.div %x, %three : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %1 = graph.div %x, %zero : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %2 = graph.div %x, %tiny : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %3 = graph.div %i, %n : (!graph.tensor<N x i64>, !graph.tensor<i64>) -> !graph.tensor<N x i64>
  func.return %0, %1, %2, %3 : !graph.tensor<N x f32>, !graph.tensor<N x f32>, !graph.tensor<N x f32>, !graph.tensor<N x i64>
}
// CHECK-LABEL: func.func @not_exact
// CHECK: graph.div %x, %three
// CHECK: graph.div %x, %zero
// CHECK: graph.div %x, %tiny
// CHECK: graph.div %i, %n

// What two products in a row round, and where they overflow, is seen; so is the rounding of a reciprocal.

func.func @not_regrouped(%x: !graph.tensor<N x f32>, %y: !graph.tensor<N x f32>) -> (!graph.tensor<N x f32>, !graph.tensor<N x f32>) {
  %three = graph.constant @three : !graph.tensor<f32>
  %four = graph.constant @four : !graph.tensor<f32>
  %0 = graph.mul %x, %three : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %1 = graph.mul %0, %four : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  %2 = graph.reciprocal %y : !graph.tensor<N x f32>
  %3 = graph.mul %x, %2 : !graph.tensor<N x f32>
  func.return %1, %3 : !graph.tensor<N x f32>, !graph.tensor<N x f32>
}
// CHECK-LABEL: func.func @not_regrouped
// CHECK: %[[ONCE:.*]] = graph.mul %x, %three
// CHECK: graph.mul %[[ONCE]], %four
// CHECK: %[[INVERSE:.*]] = graph.reciprocal %y
// CHECK: graph.mul %x, %[[INVERSE]]
