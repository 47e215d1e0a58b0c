// RUN: lamina-opt %s -p kernel-fuse-attention | filecheck %s

// The code of the first product becomes that of the scores; heads are reached where they lie.
// CHECK-LABEL: func.func @masked
// CHECK-NEXT:  %[[Y:.*]] = kernel.attention(%q, %k, %v) : !layout.tensor<1 x 4 x S x 16 x f32> scores(%{{.*}}, %{{.*}} = %mask) {
// CHECK-NEXT:  func.return %[[Y]]
func.func @masked(%q: !layout.tensor<1 x 4 x S x 16 x f32, acbd>, %k: !layout.tensor<1 x 4 x T x 16 x f32, acbd>, %v: !layout.tensor<1 x 4 x T x 16 x f32, acbd>, %mask: !layout.tensor<1 x 1 x 1 x T x f32>) -> !layout.tensor<1 x 4 x S x 16 x f32> {
  %0 = kernel.gemm(%q, %k) transpose_b : !layout.tensor<1 x 4 x S x T x f32> epilogue(%acc, %m = %mask) {%1 = arith.addf %acc, %m : f32}
  %2 = kernel.softmax(%0) : !layout.tensor<1 x 4 x S x T x f32>
  %3 = kernel.gemm(%2, %v) : !layout.tensor<1 x 4 x S x 16 x f32>
  func.return %3 : !layout.tensor<1 x 4 x S x 16 x f32>
}

// Keys that lie by depth are seen as rows, and a softmax without NaN gives zeros to queries that read nothing.
// CHECK-LABEL: func.func @transposed
// CHECK-NEXT:  %[[K:.*]] = layout.transpose %k [0, 2, 1] : !layout.tensor<4 x 9 x 16 x f32, acb>
// CHECK-NEXT:  kernel.attention(%q, %[[K]], %v) zero_empty : !layout.tensor<4 x 7 x 16 x f32>
// CHECK-NEXT:  func.return
func.func @transposed(%q: !layout.tensor<4 x 7 x 16 x f32>, %k: !layout.tensor<4 x 16 x 9 x f32>, %v: !layout.tensor<4 x 9 x 16 x f32>) -> !layout.tensor<4 x 7 x 16 x f32> {
  %0 = kernel.gemm(%q, %k) : !layout.tensor<4 x 7 x 9 x f32>
  %1 = kernel.softmax(%0) : !layout.tensor<4 x 7 x 9 x f32> epilogue(%acc) {%2 = arith.cmpf uno, %acc, %acc : f32, %3 = arith.constant 0.0 : f32, %4 = arith.select %2, %3, %acc : f32}
  %5 = kernel.gemm(%1, %v) : !layout.tensor<4 x 7 x 16 x f32>
  func.return %5 : !layout.tensor<4 x 7 x 16 x f32>
}

// Weights that others read are stored anyway.
// CHECK-LABEL: func.func @kept
// CHECK-NEXT:  kernel.gemm
// CHECK-NEXT:  kernel.softmax
// CHECK-NEXT:  kernel.gemm
func.func @kept(%q: !layout.tensor<7 x 16 x f32>, %k: !layout.tensor<9 x 16 x f32>, %v: !layout.tensor<9 x 16 x f32>) -> (!layout.tensor<7 x 9 x f32>, !layout.tensor<7 x 16 x f32>) {
  %0 = kernel.gemm(%q, %k) transpose_b : !layout.tensor<7 x 9 x f32>
  %1 = kernel.softmax(%0) : !layout.tensor<7 x 9 x f32>
  %2 = kernel.gemm(%1, %v) : !layout.tensor<7 x 16 x f32>
  func.return %1, %2 : !layout.tensor<7 x 9 x f32>, !layout.tensor<7 x 16 x f32>
}
