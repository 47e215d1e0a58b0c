// RUN: lamina-opt %s -p kernel-simplify-layouts | filecheck %s

func.func @chains(%x: !layout.tensor<N x 4 x 6 x f32>) -> (!layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>) {
  %0 = layout.transpose %x [0, 2, 1] : !layout.tensor<N x 4 x 6 x f32> -> !layout.tensor<N x 6 x 4 x f32, acb>
  %1 = layout.transpose %0 [0, 2, 1] : !layout.tensor<N x 6 x 4 x f32, acb> -> !layout.tensor<N x 4 x 6 x f32>
  %2 = layout.reshape %x : !layout.tensor<N x 4 x 6 x f32> -> !layout.tensor<N x 24 x f32>
  %3 = layout.reshape %2 : !layout.tensor<N x 24 x f32> -> !layout.tensor<(6 * N) x 4 x f32>
  %4 = layout.window %x at [0, 1, 0] : !layout.tensor<N x 4 x 6 x f32> -> !layout.tensor<N x 3 x 6 x f32, abc window [0, 1, 0, 0, 0, 0]>
  %5 = layout.window %4 at [0, 1, 0] : !layout.tensor<N x 3 x 6 x f32, abc window [0, 1, 0, 0, 0, 0]> -> !layout.tensor<N x 2 x 6 x f32, abc window [0, 2, 0, 0, 0, 0]>
  %6 = layout.convert %5 : !layout.tensor<N x 2 x 6 x f32, abc window [0, 2, 0, 0, 0, 0]> -> !layout.tensor<N x 2 x 6 x f32, acb>
  %7 = layout.convert %6 : !layout.tensor<N x 2 x 6 x f32, acb> -> !layout.tensor<N x 2 x 6 x f32>
  func.return %1, %3, %7 : !layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>
}

// Only an axis of length 1 has moved: no element has.

func.func @unit_axes(%x: !layout.tensor<N x 1 x 6 x f32>) -> !layout.tensor<N x 6 x 1 x f32> {
  %0 = layout.transpose %x [0, 2, 1] : !layout.tensor<N x 1 x 6 x f32> -> !layout.tensor<N x 6 x 1 x f32, acb>
  %1 = layout.convert %0 : !layout.tensor<N x 6 x 1 x f32, acb> -> !layout.tensor<N x 6 x 1 x f32>
  func.return %1 : !layout.tensor<N x 6 x 1 x f32>
}

// The map moves before the reshape, where it can become the kernel's epilogue.

func.func @map(%x: !layout.tensor<N x 4 x 6 x 6 x f32>, %c: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
  %0 = kernel.reduce ins(%x : !layout.tensor<N x 4 x 6 x 6 x f32>) kind mean axes [2, 3] -> !layout.tensor<N x 4 x 1 x 1 x f32>
  %1 = layout.reshape %0 : !layout.tensor<N x 4 x 1 x 1 x f32> -> !layout.tensor<N x 4 x f32>
  %2 = kernel.map ins(%1, %c, %y : !layout.tensor<N x 4 x f32>, !layout.tensor<4 x f32>, !layout.tensor<N x 4 x f32>) epilogue {
  ^bb0(%e: f32, %f: f32, %g: f32):
    %sum = arith.addf %e, %f : f32
    %product = arith.mulf %sum, %g : f32
    kernel.yield %product : f32
  } -> !layout.tensor<N x 4 x f32>
  func.return %2 : !layout.tensor<N x 4 x f32>
}

// CHECK:      func.func @chains(%x: !layout.tensor<N x 4 x 6 x f32>) -> (!layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>) {
// CHECK-NEXT:   %0 = layout.reshape %x : !layout.tensor<N x 4 x 6 x f32> -> !layout.tensor<(6 * N) x 4 x f32>
// CHECK-NEXT:   %1 = layout.window %x at [0, 2, 0] : !layout.tensor<N x 4 x 6 x f32> -> !layout.tensor<N x 2 x 6 x f32, abc window [0, 2, 0, 0, 0, 0]>
// CHECK-NEXT:   %2 = layout.convert %1 : !layout.tensor<N x 2 x 6 x f32, abc window [0, 2, 0, 0, 0, 0]> -> !layout.tensor<N x 2 x 6 x f32>
// CHECK-NEXT:   func.return %x, %0, %2 : !layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @unit_axes(%x: !layout.tensor<N x 1 x 6 x f32>) -> !layout.tensor<N x 6 x 1 x f32> {
// CHECK-NEXT:   %0 = layout.reshape %x : !layout.tensor<N x 1 x 6 x f32> -> !layout.tensor<N x 6 x 1 x f32>
// CHECK-NEXT:   func.return %0 : !layout.tensor<N x 6 x 1 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @map(%x: !layout.tensor<N x 4 x 6 x 6 x f32>, %c: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.reduce ins(%x : !layout.tensor<N x 4 x 6 x 6 x f32>) kind mean axes [2, 3] -> !layout.tensor<N x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = layout.reshape %c : !layout.tensor<4 x f32> -> !layout.tensor<1 x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %2 = layout.reshape %y : !layout.tensor<N x 4 x f32> -> !layout.tensor<N x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %3 = kernel.map ins(%0, %1, %2 : !layout.tensor<N x 4 x 1 x 1 x f32>, !layout.tensor<1 x 4 x 1 x 1 x f32>, !layout.tensor<N x 4 x 1 x 1 x f32>) epilogue {
// CHECK-NEXT:   ^bb0(%e: f32, %f: f32, %g: f32):
// CHECK-NEXT:     %sum = arith.addf %e, %f : f32
// CHECK-NEXT:     %product = arith.mulf %sum, %g : f32
// CHECK-NEXT:     kernel.yield %product : f32
// CHECK-NEXT:   } -> !layout.tensor<N x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %4 = layout.reshape %3 : !layout.tensor<N x 4 x 1 x 1 x f32> -> !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   func.return %4 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
