// RUN: lamina-opt %s -p kernel-grow-outputs | filecheck %s

// Keys that are those before and new ones get room behind them, and so do those before. What follows is read as it lies.
// A product reads keys wherever they lie; the sum of rows, which does not, gets a copy of them.

// CHECK-LABEL: func.func @main
// CHECK: func.call @segment0({{.*}}window [0, 0, 0, 0, 0, 0, room, 0]>{{.*}} -> {{.*}}window [0, 0, 0, 0, 0, 0, room1, 0]>
func.func @main(%past: !graph.tensor<B x 2 x P x 16 x f32>, %x: !graph.tensor<B x S x 2 x 16 x f32>) -> (!graph.tensor<B x 2 x (P + S) x 16 x f32>, !graph.tensor<B x 2 x S x (P + S) x f32>, !graph.tensor<B x 2 x (P + S) x 16 x f32>) {
  %0 = builtin.unrealized_conversion_cast %past : !graph.tensor<B x 2 x P x 16 x f32> to !layout.tensor<B x 2 x P x 16 x f32>
  %1 = builtin.unrealized_conversion_cast %x : !graph.tensor<B x S x 2 x 16 x f32> to !layout.tensor<B x S x 2 x 16 x f32>
  %2, %3, %4 = func.call @segment0(%0, %1) : (!layout.tensor<B x 2 x P x 16 x f32>, !layout.tensor<B x S x 2 x 16 x f32>) -> (!layout.tensor<B x 2 x (P + S) x 16 x f32>, !layout.tensor<B x 2 x S x (P + S) x f32>, !layout.tensor<B x 2 x (P + S) x 16 x f32>)
  %5 = builtin.unrealized_conversion_cast %2 : !layout.tensor<B x 2 x (P + S) x 16 x f32> to !graph.tensor<B x 2 x (P + S) x 16 x f32>
  %6 = builtin.unrealized_conversion_cast %3 : !layout.tensor<B x 2 x S x (P + S) x f32> to !graph.tensor<B x 2 x S x (P + S) x f32>
  %7 = builtin.unrealized_conversion_cast %4 : !layout.tensor<B x 2 x (P + S) x 16 x f32> to !graph.tensor<B x 2 x (P + S) x 16 x f32>
  func.return %5, %6, %7 : !graph.tensor<B x 2 x (P + S) x 16 x f32>, !graph.tensor<B x 2 x S x (P + S) x f32>, !graph.tensor<B x 2 x (P + S) x 16 x f32>
}

// CHECK-LABEL: func.func @segment0
// CHECK-SAME: %past: !layout.tensor<B x 2 x P x 16 x f32, NCHW window [0, 0, 0, 0, 0, 0, room, 0]>
// CHECK-SAME: lamina.grows = [{input = 0 : i64, output = 0 : i64, axis = 2 : i64, room_before = "room", room = "room1"}]
// CHECK: %[[NEW:.*]] = layout.transpose
// CHECK-NEXT: %[[PRESENT:.*]] = kernel.concat(%past, %[[NEW]]) axis 2 grows : {{.*}}window [0, 0, 0, 0, 0, 0, room1, 0]>
// CHECK-NEXT: %[[COPY:.*]] = layout.convert %[[PRESENT]] : !layout.tensor<B x 2 x (P + S) x 16 x f32>
// CHECK-NEXT: kernel.gemm(%[[NEW]], %[[PRESENT]])
// CHECK-NEXT: kernel.softmax(%[[COPY]])
func.func @segment0(%past: !layout.tensor<B x 2 x P x 16 x f32>, %x: !layout.tensor<B x S x 2 x 16 x f32>) -> (!layout.tensor<B x 2 x (P + S) x 16 x f32>, !layout.tensor<B x 2 x S x (P + S) x f32>, !layout.tensor<B x 2 x (P + S) x 16 x f32>) {
  %0 = layout.transpose %x [0, 2, 1, 3] : !layout.tensor<B x 2 x S x 16 x f32, acbd>
  %1 = layout.convert %0 : !layout.tensor<B x 2 x S x 16 x f32>
  %2 = kernel.concat(%past, %1) axis 2 : !layout.tensor<B x 2 x (P + S) x 16 x f32>
  %3 = kernel.gemm(%0, %2) transpose_b : !layout.tensor<B x 2 x S x (P + S) x f32>
  %4 = kernel.softmax(%2) : !layout.tensor<B x 2 x (P + S) x 16 x f32>
  func.return %2, %3, %4 : !layout.tensor<B x 2 x (P + S) x 16 x f32>, !layout.tensor<B x 2 x S x (P + S) x f32>, !layout.tensor<B x 2 x (P + S) x 16 x f32>
}
