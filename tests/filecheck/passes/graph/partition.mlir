// RUN: lamina-opt %s -p graph-partition --split-input-file | filecheck %s

// All of it compiles: one segment, one call.

func.func @main(%x: !graph.tensor<N x f32> {lamina.name = "x"}) -> (!graph.tensor<N x f32> {lamina.name = "y"}) {
  %c = graph.constant @c : !graph.tensor<f32>
  %0 = graph.relu %x : !graph.tensor<N x f32>
  %1 = graph.add %0, %c : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
  func.return %1 : !graph.tensor<N x f32>
}

// -----

// The number of rows found ends the first segment; what does not need it stays in the first.

func.func @main(%x: !graph.tensor<N x f32>) -> (!graph.tensor<1 x found x i64>, !graph.tensor<N x f32>, !graph.tensor<2 x i64>) {
  %0 = graph.relu %x : !graph.tensor<N x f32>
  %n = graph.count_nonzero %0 : (!graph.tensor<N x f32>) -> !graph.tensor<1 x i64>
  %b = graph.bind_sizes %n : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
  %1 = graph.nonzero %0 : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>
  %2 = graph.add %1, %1 : !graph.tensor<1 x found x i64>
  %3 = graph.exp %0 : !graph.tensor<N x f32>
  %4 = graph.dim_values [found, N] : !graph.tensor<2 x i64>
  func.return %2, %3, %4 : !graph.tensor<1 x found x i64>, !graph.tensor<N x f32>, !graph.tensor<2 x i64>
}

// -----

// Bodies are split in place; a constant that a branch gives stays there.

func.func @main(%c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
  %w = graph.constant @w : !graph.tensor<8 x f32>
  %0 = graph.exp %x : !graph.tensor<8 x f32>
  %1 = graph.if %c {
    %2 = graph.add %0, %w : !graph.tensor<8 x f32>
    graph.yield %2 : !graph.tensor<8 x f32>
  } else {
    graph.yield %w : !graph.tensor<8 x f32>
  } : (!graph.tensor<i1>) -> !graph.tensor<8 x f32>
  %3 = graph.neg %1 : !graph.tensor<8 x f32>
  func.return %3 : !graph.tensor<8 x f32>
}

// CHECK:      func.func @main(%x: !graph.tensor<N x f32> {lamina.name = "x"}) -> (!graph.tensor<N x f32> {lamina.name = "y"}) {
// CHECK-NEXT:   %0 = func.call @segment0(%x) : (!graph.tensor<N x f32>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<N x f32>
// CHECK-NEXT: }
// CHECK:      func.func @segment0(%x: !graph.tensor<N x f32>) -> !graph.tensor<N x f32> {
// CHECK-NEXT:   %c = graph.constant @c : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.relu %x : !graph.tensor<N x f32>
// CHECK-NEXT:   %1 = graph.add %0, %c : (!graph.tensor<N x f32>, !graph.tensor<f32>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<N x f32>
// CHECK-NEXT: }
// CHECK:      func.func @main(%x: !graph.tensor<N x f32>) -> (!graph.tensor<1 x found x i64>, !graph.tensor<N x f32>, !graph.tensor<2 x i64>) {
// CHECK-NEXT:   %0, %n, %1 = func.call @segment0(%x) : (!graph.tensor<N x f32>) -> (!graph.tensor<N x f32>, !graph.tensor<1 x i64>, !graph.tensor<N x f32>)
// CHECK-NEXT:   %b = graph.bind_sizes %n : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
// CHECK-NEXT:   %2, %3 = func.call @segment1(%0) : (!graph.tensor<N x f32>) -> (!graph.tensor<1 x found x i64>, !graph.tensor<2 x i64>)
// CHECK-NEXT:   func.return %2, %1, %3 : !graph.tensor<1 x found x i64>, !graph.tensor<N x f32>, !graph.tensor<2 x i64>
// CHECK-NEXT: }
// CHECK:      func.func @segment0(%x: !graph.tensor<N x f32>) -> (!graph.tensor<N x f32>, !graph.tensor<1 x i64>, !graph.tensor<N x f32>) {
// CHECK-NEXT:   %0 = graph.relu %x : !graph.tensor<N x f32>
// CHECK-NEXT:   %n = graph.count_nonzero %0 : (!graph.tensor<N x f32>) -> !graph.tensor<1 x i64>
// CHECK-NEXT:   %1 = graph.exp %0 : !graph.tensor<N x f32>
// CHECK-NEXT:   func.return %0, %n, %1 :
// CHECK-NEXT: }
// CHECK:      func.func @segment1(%0: !graph.tensor<N x f32>) -> (!graph.tensor<1 x found x i64>, !graph.tensor<2 x i64>) {
// CHECK-NEXT:   %1 = graph.nonzero %0 : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>
// CHECK-NEXT:   %2 = graph.add %1, %1 : !graph.tensor<1 x found x i64>
// CHECK-NEXT:   %3 = graph.dim_values [found, N] : !graph.tensor<2 x i64>
// CHECK-NEXT:   func.return %2, %3 : !graph.tensor<1 x found x i64>, !graph.tensor<2 x i64>
// CHECK-NEXT: }
// CHECK:      func.func @main(%c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<8 x f32>
// CHECK-NEXT:   %0 = func.call @segment0(%x) : (!graph.tensor<8 x f32>) -> !graph.tensor<8 x f32>
// CHECK-NEXT:   %1 = graph.if %c {
// CHECK-NEXT:     %2 = func.call @segment1(%0) : (!graph.tensor<8 x f32>) -> !graph.tensor<8 x f32>
// CHECK-NEXT:     graph.yield %2 : !graph.tensor<8 x f32>
// CHECK-NEXT:   } else {
// CHECK-NEXT:     graph.yield %w : !graph.tensor<8 x f32>
// CHECK-NEXT:   } : (!graph.tensor<i1>) -> !graph.tensor<8 x f32>
// CHECK-NEXT:   %3 = func.call @segment2(%1) : (!graph.tensor<8 x f32>) -> !graph.tensor<8 x f32>
// CHECK-NEXT:   func.return %3 : !graph.tensor<8 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @segment0(%x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
// CHECK-NEXT:   %0 = graph.exp %x : !graph.tensor<8 x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<8 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @segment1(%0: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<8 x f32>
// CHECK-NEXT:   %1 = graph.add %0, %w : !graph.tensor<8 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<8 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @segment2(%0: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
// CHECK-NEXT:   %1 = graph.neg %0 : !graph.tensor<8 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<8 x f32>
// CHECK-NEXT: }
