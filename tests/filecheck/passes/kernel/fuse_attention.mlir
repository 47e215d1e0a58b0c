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

// Heads that are merged with the batch for products and apart for the mask stay apart.
// CHECK-LABEL: func.func @merged
// CHECK-DAG:   %[[Q:.*]] = layout.reshape %q : !layout.tensor<2 x 4 x 5 x 16 x f32>
// CHECK-DAG:   %[[K:.*]] = layout.reshape %k : !layout.tensor<2 x 4 x 7 x 16 x f32>
// CHECK-DAG:   %[[V:.*]] = layout.reshape %v : !layout.tensor<2 x 4 x 7 x 16 x f32>
// CHECK:       %[[Y:.*]] = kernel.attention(%[[Q]], %[[K]], %[[V]]) : !layout.tensor<2 x 4 x 5 x 16 x f32> scores(%{{.*}}, %{{.*}} = %mask, %{{.*}} = %bias)
// CHECK-NEXT:  layout.reshape %[[Y]] : !layout.tensor<8 x 5 x 16 x f32>
func.func @merged(%q: !layout.tensor<8 x 5 x 16 x f32>, %k: !layout.tensor<8 x 7 x 16 x f32>, %v: !layout.tensor<8 x 7 x 16 x f32>, %bias: !layout.tensor<5 x 7 x f32>, %mask: !layout.tensor<2 x 1 x 5 x 7 x f32>) -> !layout.tensor<8 x 5 x 16 x f32> {
  %0 = kernel.gemm(%q, %k) transpose_b : !layout.tensor<8 x 5 x 7 x f32> epilogue(%acc, %b = %bias) {%1 = arith.addf %acc, %b : f32}
  %2 = layout.reshape %0 : !layout.tensor<2 x 4 x 5 x 7 x f32>
  %3 = kernel.map(%2, %mask) : !layout.tensor<2 x 4 x 5 x 7 x f32> each(%a, %b) {%4 = arith.addf %a, %b : f32}
  %5 = layout.reshape %3 : !layout.tensor<8 x 5 x 7 x f32>
  %6 = kernel.softmax(%5) : !layout.tensor<8 x 5 x 7 x f32>
  %7 = kernel.gemm(%6, %v) : !layout.tensor<8 x 5 x 16 x f32>
  func.return %7 : !layout.tensor<8 x 5 x 16 x f32>
}

// Keys and values that are repeated for heads of queries are read as they are; rows that are named give zeros.
// CHECK-LABEL: func.func @repeated
// CHECK:       %[[ONCE:.*]] = kernel.map(%k) : !layout.tensor<1 x 2 x 1 x 7 x 16 x f32>
// CHECK:       %[[K:.*]] = layout.reshape %[[ONCE]] : !layout.tensor<1 x 2 x 7 x 16 x f32>
// CHECK:       %[[V:.*]] = layout.reshape %v : !layout.tensor<1 x 2 x 7 x 16 x f32>
// CHECK:       kernel.attention(%q, %[[K]], %[[V]], %empty) : !layout.tensor<1 x 6 x 5 x 16 x f32>
func.func @repeated(%q: !layout.tensor<1 x 6 x 5 x 16 x f32>, %k: !layout.tensor<1 x 2 x 1 x 7 x 16 x f32>, %v: !layout.tensor<1 x 2 x 1 x 7 x 16 x f32>, %empty: !layout.tensor<5 x 1 x i1>) -> !layout.tensor<1 x 6 x 5 x 16 x f32> {
  %0 = kernel.map(%k) : !layout.tensor<1 x 2 x 3 x 7 x 16 x f32> each(%a) {%1 = arith.negf %a : f32}
  %2 = layout.reshape %0 : !layout.tensor<1 x 6 x 7 x 16 x f32>
  %3 = kernel.broadcast(%v) : !layout.tensor<1 x 2 x 3 x 7 x 16 x f32>
  %4 = layout.reshape %3 : !layout.tensor<1 x 6 x 7 x 16 x f32>
  %5 = kernel.gemm(%q, %2) transpose_b : !layout.tensor<1 x 6 x 5 x 7 x f32>
  %6 = kernel.softmax(%5) : !layout.tensor<1 x 6 x 5 x 7 x f32> epilogue(%acc, %e = %empty) {%7 = arith.constant 0.0 : f32, %8 = arith.select %e, %7, %acc : f32}
  %9 = kernel.gemm(%6, %4) : !layout.tensor<1 x 6 x 5 x 16 x f32>
  func.return %9 : !layout.tensor<1 x 6 x 5 x 16 x f32>
}
