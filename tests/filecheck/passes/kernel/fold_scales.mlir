// RUN: lamina-opt %s -p kernel-fold-scales | filecheck %s

// Both operands are scaled: the product is, by both factors.

func.func @attention(%q: !layout.tensor<N x 4 x f32>, %k: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x N x f32> {
  %0 = kernel.map(%q) : !layout.tensor<N x 4 x f32> each(%e) {%factor = arith.constant 0.5 : f32, %product = arith.mulf %factor, %e : f32}
  %1 = kernel.map(%k) : !layout.tensor<N x 4 x f32> each(%e) {%divisor = arith.constant 4.0 : f32, %quotient = arith.divf %e, %divisor : f32}
  %2 = kernel.gemm(%0, %1) transpose_b : !layout.tensor<N x N x f32>
  func.return %2 : !layout.tensor<N x N x f32>
}

// Not where others read the scaled operand, or it is more than scaled.

func.func @kept(%a: !layout.tensor<4 x 4 x f32>) -> (!layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>) {
  %0 = kernel.map(%a) : !layout.tensor<4 x 4 x f32> each(%e) {%factor = arith.constant 0.5 : f32, %product = arith.mulf %e, %factor : f32}
  %1 = kernel.map(%a) : !layout.tensor<4 x 4 x f32> each(%e) {%product = arith.mulf %e, %e : f32}
  %2 = kernel.gemm(%0, %1) : !layout.tensor<4 x 4 x f32>
  func.return %0, %2 : !layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>
}

// CHECK:      func.func @attention(%q: !layout.tensor<N x 4 x f32>, %k: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x N x f32> {
// CHECK-NEXT:   %0 = kernel.gemm(%q, %k) transpose_b : !layout.tensor<N x N x f32> epilogue(%acc) {%1 = arith.constant 1.250000e-01 : f32, %2 = arith.mulf %acc, %1 : f32}
// CHECK-NEXT:   func.return %0 : !layout.tensor<N x N x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @kept(%a: !layout.tensor<4 x 4 x f32>) -> (!layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>) {
// CHECK-NEXT:   %0 = kernel.map(%a) : !layout.tensor<4 x 4 x f32> each(%e) {%factor = arith.constant 5.000000e-01 : f32, %product = arith.mulf %e, %factor : f32}
// CHECK-NEXT:   %1 = kernel.map(%a) : !layout.tensor<4 x 4 x f32> each(%e) {%product = arith.mulf %e, %e : f32}
// CHECK-NEXT:   %2 = kernel.gemm(%0, %1) : !layout.tensor<4 x 4 x f32>
// CHECK-NEXT:   func.return %0, %2 : !layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>
// CHECK-NEXT: }
