// RUN: lamina-opt %s -p graph-fold-constants --constant 'a=dense<[1.0, 2.0]> : tensor<2xf32>' --constant 'zero=dense<0.0> : tensor<f32>' | filecheck %s

func.func @arithmetic() -> !graph.tensor<2 x f32> {
  %a = graph.constant @a : !graph.tensor<2 x f32>
  %0 = graph.add %a, %a : !graph.tensor<2 x f32>
  %1 = graph.exp %0 : !graph.tensor<2 x f32>
  func.return %1 : !graph.tensor<2 x f32>
}

// Dimensions that are numbers are constants; those with symbols are not.

func.func @dimensions() -> (!graph.tensor<2 x i64>, !graph.tensor<2 x i64>) {
  %0 = graph.dim_values [3, 4] : !graph.tensor<2 x i64>
  %1 = graph.dim_values [N, 4] : !graph.tensor<2 x i64>
  func.return %0, %1 : !graph.tensor<2 x i64>, !graph.tensor<2 x i64>
}

// A broadcast zero does not become megabytes of constants.

func.func @large() -> !graph.tensor<1024 x 1024 x f32> {
  %zero = graph.constant @zero : !graph.tensor<f32>
  %0 = graph.broadcast_to %zero : (!graph.tensor<f32>) -> !graph.tensor<1024 x 1024 x f32>
  func.return %0 : !graph.tensor<1024 x 1024 x f32>
}

func.func @inside_a_branch(%c: !graph.tensor<i1>, %x: !graph.tensor<2 x f32>) -> !graph.tensor<2 x f32> {
  %0 = graph.if %c {
    %a = graph.constant @a : !graph.tensor<2 x f32>
    %1 = graph.neg %a : !graph.tensor<2 x f32>
    graph.yield %1 : !graph.tensor<2 x f32>
  } else {
    graph.yield %x : !graph.tensor<2 x f32>
  } : (!graph.tensor<i1>) -> !graph.tensor<2 x f32>
  func.return %0 : !graph.tensor<2 x f32>
}

// CHECK:      func.func @arithmetic() -> !graph.tensor<2 x f32> {
// CHECK-NEXT:   %a = graph.constant @a : !graph.tensor<2 x f32>
// CHECK-NEXT:   %0 = graph.constant @folded : !graph.tensor<2 x f32>
// CHECK-NEXT:   %1 = graph.constant @folded_1 : !graph.tensor<2 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<2 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @dimensions() -> (!graph.tensor<2 x i64>, !graph.tensor<2 x i64>) {
// CHECK-NEXT:   %0 = graph.constant @folded_2 : !graph.tensor<2 x i64>
// CHECK-NEXT:   %1 = graph.dim_values [N, 4] : !graph.tensor<2 x i64>
// CHECK-NEXT:   func.return %0, %1 : !graph.tensor<2 x i64>, !graph.tensor<2 x i64>
// CHECK-NEXT: }
// CHECK:      func.func @large() -> !graph.tensor<1024 x 1024 x f32> {
// CHECK-NEXT:   %zero = graph.constant @zero : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.broadcast_to %zero : (!graph.tensor<f32>) -> !graph.tensor<1024 x 1024 x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<1024 x 1024 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @inside_a_branch(%c: !graph.tensor<i1>, %x: !graph.tensor<2 x f32>) -> !graph.tensor<2 x f32> {
// CHECK-NEXT:   %0 = graph.if %c {
// CHECK-NEXT:     %a = graph.constant @a : !graph.tensor<2 x f32>
// CHECK-NEXT:     %1 = graph.constant @folded_3 : !graph.tensor<2 x f32>
// CHECK-NEXT:     graph.yield %1 : !graph.tensor<2 x f32>
// CHECK-NEXT:   } else {
// CHECK-NEXT:     graph.yield %x : !graph.tensor<2 x f32>
// CHECK-NEXT:   } : (!graph.tensor<i1>) -> !graph.tensor<2 x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<2 x f32>
// CHECK-NEXT: }
