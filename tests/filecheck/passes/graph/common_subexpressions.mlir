// RUN: lamina-opt %s -p graph-common-subexpressions | filecheck %s

func.func @equal(%x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
  %0 = graph.sigmoid %x : !graph.tensor<8 x f32>
  %1 = graph.sigmoid %x : !graph.tensor<8 x f32>
  %2 = graph.add %0, %1 : !graph.tensor<8 x f32>
  func.return %2 : !graph.tensor<8 x f32>
}

// Other fields, or another type of the result, are another operation.

func.func @unequal(%x: !graph.tensor<8 x 8 x f32>) -> (!graph.tensor<8 x 8 x f32>, !graph.tensor<8 x 8 x f32>, !graph.tensor<64 x f32>, !graph.tensor<4 x 16 x f32>) {
  %0 = graph.softmax %x axis 0 : !graph.tensor<8 x 8 x f32>
  %1 = graph.softmax %x axis 1 : !graph.tensor<8 x 8 x f32>
  %2 = graph.reshape %x : (!graph.tensor<8 x 8 x f32>) -> !graph.tensor<64 x f32>
  %3 = graph.reshape %x : (!graph.tensor<8 x 8 x f32>) -> !graph.tensor<4 x 16 x f32>
  func.return %0, %1, %2, %3 : !graph.tensor<8 x 8 x f32>, !graph.tensor<8 x 8 x f32>, !graph.tensor<64 x f32>, !graph.tensor<4 x 16 x f32>
}

// A branch knows what is computed around it, but nothing of the other branch.

func.func @branches(%c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
  %0 = graph.exp %x : !graph.tensor<8 x f32>
  %1 = graph.if %c {
    %2 = graph.exp %x : !graph.tensor<8 x f32>
    %3 = graph.neg %2 : !graph.tensor<8 x f32>
    graph.yield %3 : !graph.tensor<8 x f32>
  } else {
    %4 = graph.neg %0 : !graph.tensor<8 x f32>
    graph.yield %4 : !graph.tensor<8 x f32>
  } : (!graph.tensor<i1>) -> !graph.tensor<8 x f32>
  func.return %1 : !graph.tensor<8 x f32>
}

// Each round of a loop asks the system anew, for all its nodes at once.

func.func @rounds(%n: !graph.tensor<i64>, %c: !graph.tensor<i1>) -> (!graph.tensor<2 x i64>, !graph.tensor<T x 2 x i64>, !graph.tensor<T x 2 x i64>) {
  %0 = graph.entropy : !graph.tensor<2 x i64>
  %1, %2 = graph.loop %n, %c {
  ^bb0(%i: !graph.tensor<i64>, %go: !graph.tensor<i1>):
    %3 = graph.entropy : !graph.tensor<2 x i64>
    %4 = graph.entropy : !graph.tensor<2 x i64>
    graph.yield %go, %3, %4 : !graph.tensor<i1>, !graph.tensor<2 x i64>, !graph.tensor<2 x i64>
  } : (!graph.tensor<i64>, !graph.tensor<i1>) -> (!graph.tensor<T x 2 x i64>, !graph.tensor<T x 2 x i64>)
  func.return %0, %1, %2 : !graph.tensor<2 x i64>, !graph.tensor<T x 2 x i64>, !graph.tensor<T x 2 x i64>
}

// CHECK:      func.func @equal(%x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
// CHECK-NEXT:   %0 = graph.sigmoid %x : !graph.tensor<8 x f32>
// CHECK-NEXT:   %1 = graph.add %0, %0 : !graph.tensor<8 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<8 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @unequal(%x: !graph.tensor<8 x 8 x f32>) -> (!graph.tensor<8 x 8 x f32>, !graph.tensor<8 x 8 x f32>, !graph.tensor<64 x f32>, !graph.tensor<4 x 16 x f32>) {
// CHECK-NEXT:   %0 = graph.softmax %x axis 0 : !graph.tensor<8 x 8 x f32>
// CHECK-NEXT:   %1 = graph.softmax %x axis 1 : !graph.tensor<8 x 8 x f32>
// CHECK-NEXT:   %2 = graph.reshape %x : (!graph.tensor<8 x 8 x f32>) -> !graph.tensor<64 x f32>
// CHECK-NEXT:   %3 = graph.reshape %x : (!graph.tensor<8 x 8 x f32>) -> !graph.tensor<4 x 16 x f32>
// CHECK-NEXT:   func.return %0, %1, %2, %3 : !graph.tensor<8 x 8 x f32>, !graph.tensor<8 x 8 x f32>, !graph.tensor<64 x f32>, !graph.tensor<4 x 16 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @branches(%c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
// CHECK-NEXT:   %0 = graph.exp %x : !graph.tensor<8 x f32>
// CHECK-NEXT:   %1 = graph.if %c {
// CHECK-NEXT:     %2 = graph.neg %0 : !graph.tensor<8 x f32>
// CHECK-NEXT:     graph.yield %2 : !graph.tensor<8 x f32>
// CHECK-NEXT:   } else {
// CHECK-NEXT:     %3 = graph.neg %0 : !graph.tensor<8 x f32>
// CHECK-NEXT:     graph.yield %3 : !graph.tensor<8 x f32>
// CHECK-NEXT:   } : (!graph.tensor<i1>) -> !graph.tensor<8 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<8 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @rounds
// CHECK:        ^bb0(%i: !graph.tensor<i64>, %go: !graph.tensor<i1>):
// CHECK-NEXT:     %[[KEY:.*]] = graph.entropy
// CHECK-NEXT:     graph.yield %go, %[[KEY]], %[[KEY]]
