// RUN: lamina-opt %s -p kernel-simplify-layouts | filecheck %s

func.func @chains(%x: !layout.tensor<N x 4 x 6 x f32>) -> (!layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>) {
  %0 = layout.transpose %x [0, 2, 1] : !layout.tensor<N x 6 x 4 x f32, acb>
  %1 = layout.transpose %0 [0, 2, 1] : !layout.tensor<N x 4 x 6 x f32>
  %2 = layout.reshape %x : !layout.tensor<N x 24 x f32>
  %3 = layout.reshape %2 : !layout.tensor<(6 * N) x 4 x f32>
  %4 = layout.window %x at [0, 1, 0] : !layout.tensor<N x 3 x 6 x f32, abc window [0, 1, 0, 0, 0, 0]>
  %5 = layout.window %4 at [0, 1, 0] : !layout.tensor<N x 2 x 6 x f32, abc window [0, 2, 0, 0, 0, 0]>
  %6 = layout.convert %5 : !layout.tensor<N x 2 x 6 x f32, acb>
  %7 = layout.convert %6 : !layout.tensor<N x 2 x 6 x f32>
  func.return %1, %3, %7 : !layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>
}

// Only an axis of length 1 has moved: no element has.

func.func @unit_axes(%x: !layout.tensor<N x 1 x 6 x f32>) -> !layout.tensor<N x 6 x 1 x f32> {
  %0 = layout.transpose %x [0, 2, 1] : !layout.tensor<N x 6 x 1 x f32, acb>
  %1 = layout.convert %0 : !layout.tensor<N x 6 x 1 x f32>
  func.return %1 : !layout.tensor<N x 6 x 1 x f32>
}

// The product and the copy write what the copies of their transposes would.

func.func @store_transposed(%a: !layout.tensor<N x 2 x 5 x 3 x f32>, %b: !layout.tensor<3 x 4 x f32>, %c: !layout.tensor<N x 16 x 5 x 6 x f32, NCHW16c>) -> (!layout.tensor<N x 5 x 8 x f32>, !layout.tensor<N x 5 x 6 x 16 x f32>) {
  %0 = kernel.gemm(%a, %b) : !layout.tensor<N x 2 x 5 x 4 x f32>
  %1 = layout.transpose %0 [0, 2, 1, 3] : !layout.tensor<N x 5 x 2 x 4 x f32, acbd>
  %2 = layout.convert %1 : !layout.tensor<N x 5 x 2 x 4 x f32>
  %3 = layout.reshape %2 : !layout.tensor<N x 5 x 8 x f32>
  %4 = layout.convert %c : !layout.tensor<N x 16 x 5 x 6 x f32>
  %5 = layout.transpose %4 [0, 2, 3, 1] : !layout.tensor<N x 5 x 6 x 16 x f32, adbc>
  %6 = layout.convert %5 : !layout.tensor<N x 5 x 6 x 16 x f32>
  func.return %3, %6 : !layout.tensor<N x 5 x 8 x f32>, !layout.tensor<N x 5 x 6 x 16 x f32>
}

// CHECK:      func.func @chains(%x: !layout.tensor<N x 4 x 6 x f32>) -> (!layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>) {
// CHECK-NEXT:   %0 = layout.reshape %x : !layout.tensor<(6 * N) x 4 x f32>
// CHECK-NEXT:   %1 = layout.window %x at [0, 2, 0] : !layout.tensor<N x 2 x 6 x f32, abc window [0, 2, 0, 0, 0, 0]>
// CHECK-NEXT:   %2 = layout.convert %1 : !layout.tensor<N x 2 x 6 x f32>
// CHECK-NEXT:   func.return %x, %0, %2 : !layout.tensor<N x 4 x 6 x f32>, !layout.tensor<(6 * N) x 4 x f32>, !layout.tensor<N x 2 x 6 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @unit_axes(%x: !layout.tensor<N x 1 x 6 x f32>) -> !layout.tensor<N x 6 x 1 x f32> {
// CHECK-NEXT:   %0 = layout.reshape %x : !layout.tensor<N x 6 x 1 x f32>
// CHECK-NEXT:   func.return %0 : !layout.tensor<N x 6 x 1 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @store_transposed(%a: !layout.tensor<N x 2 x 5 x 3 x f32>, %b: !layout.tensor<3 x 4 x f32>, %c: !layout.tensor<N x 16 x 5 x 6 x f32, NCHW16c>) -> (!layout.tensor<N x 5 x 8 x f32>, !layout.tensor<N x 5 x 6 x 16 x f32>) {
// CHECK-NEXT:   %0 = kernel.gemm(%a, %b) : !layout.tensor<N x 2 x 5 x 4 x f32, acbd>
// CHECK-NEXT:   %1 = layout.transpose %0 [0, 2, 1, 3] : !layout.tensor<N x 5 x 2 x 4 x f32>
// CHECK-NEXT:   %2 = layout.reshape %1 : !layout.tensor<N x 5 x 8 x f32>
// CHECK-NEXT:   %3 = layout.convert %c : !layout.tensor<N x 16 x 5 x 6 x f32, NHWC>
// CHECK-NEXT:   %4 = layout.transpose %3 [0, 2, 3, 1] : !layout.tensor<N x 5 x 6 x 16 x f32>
// CHECK-NEXT:   func.return %2, %4 : !layout.tensor<N x 5 x 8 x f32>, !layout.tensor<N x 5 x 6 x 16 x f32>
// CHECK-NEXT: }
