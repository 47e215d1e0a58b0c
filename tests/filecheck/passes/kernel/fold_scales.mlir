// RUN: lamina-opt %s -p kernel-fold-scales | filecheck %s

// Both operands are scaled: the product is, by both factors.

func.func @attention(%q: !layout.tensor<N x 4 x f32>, %k: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x N x f32> {
  %0 = kernel.map ins(%q : !layout.tensor<N x 4 x f32>) epilogue {
  ^bb0(%e: f32):
    %factor = arith.constant 0.5 : f32
    %product = arith.mulf %factor, %e : f32
    kernel.yield %product : f32
  } -> !layout.tensor<N x 4 x f32>
  %1 = kernel.map ins(%k : !layout.tensor<N x 4 x f32>) epilogue {
  ^bb0(%e: f32):
    %divisor = arith.constant 4.0 : f32
    %quotient = arith.divf %e, %divisor : f32
    kernel.yield %quotient : f32
  } -> !layout.tensor<N x 4 x f32>
  %2 = kernel.gemm ins(%0, %1 : !layout.tensor<N x 4 x f32>, !layout.tensor<N x 4 x f32>) transpose_b -> !layout.tensor<N x N x f32>
  func.return %2 : !layout.tensor<N x N x f32>
}

// Not where others read the scaled operand, or it is more than scaled.

func.func @kept(%a: !layout.tensor<4 x 4 x f32>) -> (!layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>) {
  %0 = kernel.map ins(%a : !layout.tensor<4 x 4 x f32>) epilogue {
  ^bb0(%e: f32):
    %factor = arith.constant 0.5 : f32
    %product = arith.mulf %e, %factor : f32
    kernel.yield %product : f32
  } -> !layout.tensor<4 x 4 x f32>
  %1 = kernel.map ins(%a : !layout.tensor<4 x 4 x f32>) epilogue {
  ^bb0(%e: f32):
    %product = arith.mulf %e, %e : f32
    kernel.yield %product : f32
  } -> !layout.tensor<4 x 4 x f32>
  %2 = kernel.gemm ins(%0, %1 : !layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>) -> !layout.tensor<4 x 4 x f32>
  func.return %0, %2 : !layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>
}

// CHECK:      func.func @attention(%q: !layout.tensor<N x 4 x f32>, %k: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x N x f32> {
// CHECK-NEXT:   %0 = kernel.gemm ins(%q, %k : !layout.tensor<N x 4 x f32>, !layout.tensor<N x 4 x f32>) transpose_b epilogue {
// CHECK-NEXT:   ^bb0(%1: f32):
// CHECK-NEXT:     %2 = arith.constant 1.250000e-01 : f32
// CHECK-NEXT:     %3 = arith.mulf %1, %2 : f32
// CHECK-NEXT:     kernel.yield %3 : f32
// CHECK-NEXT:   } -> !layout.tensor<N x N x f32>
// CHECK-NEXT:   func.return %0 : !layout.tensor<N x N x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @kept(%a: !layout.tensor<4 x 4 x f32>) -> (!layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>) {
// CHECK-NEXT:   %0 = kernel.map ins(%a : !layout.tensor<4 x 4 x f32>) epilogue {
// CHECK-NEXT:   ^bb0(%e: f32):
// CHECK-NEXT:     %factor = arith.constant 5.000000e-01 : f32
// CHECK-NEXT:     %product = arith.mulf %e, %factor : f32
// CHECK-NEXT:     kernel.yield %product : f32
// CHECK-NEXT:   } -> !layout.tensor<4 x 4 x f32>
// CHECK-NEXT:   %1 = kernel.map ins(%a : !layout.tensor<4 x 4 x f32>) epilogue {
// CHECK-NEXT:   ^bb0(%e_1: f32):
// CHECK-NEXT:     %product_1 = arith.mulf %e_1, %e_1 : f32
// CHECK-NEXT:     kernel.yield %product_1 : f32
// CHECK-NEXT:   } -> !layout.tensor<4 x 4 x f32>
// CHECK-NEXT:   %2 = kernel.gemm ins(%0, %1 : !layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>) -> !layout.tensor<4 x 4 x f32>
// CHECK-NEXT:   func.return %0, %2 : !layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x f32>
// CHECK-NEXT: }
