// RUN: lamina-opt %s -p kernel-sink-views | filecheck %s

// The map moves before the reshape, where it can become the kernel's epilogue.

func.func @reshape(%x: !layout.tensor<N x 4 x 6 x 6 x f32>, %c: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
  %0 = kernel.reduce mean(%x) axes [2, 3] : !layout.tensor<N x 4 x 1 x 1 x f32>
  %1 = layout.reshape %0 : !layout.tensor<N x 4 x f32>
  %2 = kernel.map(%1, %c, %y) : !layout.tensor<N x 4 x f32> each(%e, %f, %g) {%sum = arith.addf %e, %f : f32, %product = arith.mulf %sum, %g : f32}
  func.return %2 : !layout.tensor<N x 4 x f32>
}

// One more operand may be read against its rows; what is returned stays in rows.

func.func @transpose(%a: !layout.tensor<N x 6 x 4 x f32>, %b: !layout.tensor<4 x 4 x f32>, %c: !layout.tensor<4 x 1 x f32>, %y: !layout.tensor<N x 4 x 6 x f32>) -> !layout.tensor<N x 4 x 6 x f32> {
  %0 = kernel.gemm(%a, %b) : !layout.tensor<N x 6 x 4 x f32>
  %1 = layout.transpose %0 [0, 2, 1] : !layout.tensor<N x 4 x 6 x f32, acb>
  %2 = kernel.map(%1, %c, %y) : !layout.tensor<N x 4 x 6 x f32> each(%e, %f, %g) {%sum = arith.addf %e, %f : f32, %product = arith.mulf %sum, %g : f32}
  func.return %2 : !layout.tensor<N x 4 x 6 x f32>
}

// Somebody else reads the kernel's result: nothing could fuse.

func.func @kept(%x: !layout.tensor<N x 4 x 6 x f32>) -> (!layout.tensor<N x 24 x f32>, !layout.tensor<N x 4 x 6 x f32>) {
  %0 = kernel.softmax(%x) : !layout.tensor<N x 4 x 6 x f32>
  %1 = layout.reshape %0 : !layout.tensor<N x 24 x f32>
  %2 = kernel.map(%1) : !layout.tensor<N x 24 x f32> each(%e) {%negative = arith.negf %e : f32}
  func.return %2, %0 : !layout.tensor<N x 24 x f32>, !layout.tensor<N x 4 x 6 x f32>
}

// CHECK:      func.func @reshape(%x: !layout.tensor<N x 4 x 6 x 6 x f32>, %c: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.reduce mean(%x) axes [2, 3] : !layout.tensor<N x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = layout.reshape %c : !layout.tensor<1 x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %2 = layout.reshape %y : !layout.tensor<N x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %3 = kernel.map(%0, %1, %2) : !layout.tensor<N x 4 x 1 x 1 x f32> each(%e, %f, %g) {%sum = arith.addf %e, %f : f32, %product = arith.mulf %sum, %g : f32}
// CHECK-NEXT:   %4 = layout.reshape %3 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   func.return %4 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @transpose(%a: !layout.tensor<N x 6 x 4 x f32>, %b: !layout.tensor<4 x 4 x f32>, %c: !layout.tensor<4 x 1 x f32>, %y: !layout.tensor<N x 4 x 6 x f32>) -> !layout.tensor<N x 4 x 6 x f32> {
// CHECK-NEXT:   %0 = kernel.gemm(%a, %b) : !layout.tensor<N x 6 x 4 x f32>
// CHECK-NEXT:   %1 = layout.reshape %c : !layout.tensor<1 x 4 x 1 x f32>
// CHECK-NEXT:   %2 = layout.transpose %1 [0, 2, 1] : !layout.tensor<1 x 1 x 4 x f32, acb>
// CHECK-NEXT:   %3 = layout.transpose %y [0, 2, 1] : !layout.tensor<N x 6 x 4 x f32, acb>
// CHECK-NEXT:   %4 = kernel.map(%0, %2, %3) : !layout.tensor<N x 6 x 4 x f32> each(%e, %f, %g) {%sum = arith.addf %e, %f : f32, %product = arith.mulf %sum, %g : f32}
// CHECK-NEXT:   %5 = layout.transpose %4 [0, 2, 1] : !layout.tensor<N x 4 x 6 x f32, acb>
// CHECK-NEXT:   %6 = layout.convert %5 : !layout.tensor<N x 4 x 6 x f32>
// CHECK-NEXT:   func.return %6 : !layout.tensor<N x 4 x 6 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @kept(%x: !layout.tensor<N x 4 x 6 x f32>) -> (!layout.tensor<N x 24 x f32>, !layout.tensor<N x 4 x 6 x f32>) {
// CHECK-NEXT:   %0 = kernel.softmax(%x) : !layout.tensor<N x 4 x 6 x f32>
// CHECK-NEXT:   %1 = layout.reshape %0 : !layout.tensor<N x 24 x f32>
// CHECK-NEXT:   %2 = kernel.map(%1) : !layout.tensor<N x 24 x f32> each(%e) {%negative = arith.negf %e : f32}
// CHECK-NEXT:   func.return %2, %0 : !layout.tensor<N x 24 x f32>, !layout.tensor<N x 4 x 6 x f32>
// CHECK-NEXT: }
