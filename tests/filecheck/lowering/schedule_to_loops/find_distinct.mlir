// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Of rows of one element the sorted keys tell which differ.
// CHECK-LABEL: func.func @find_distinct_
// CHECK: arith.shrui
// CHECK-NOT: scf.while
// CHECK: arith.cmpi ne
func.func @elements(%x: !layout.tensor<N x 1 x i64>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x i64>
  %o1 = schedule.buffer output 1 : !layout.tensor<N x i64>
  %o2 = schedule.buffer output 2 : !layout.tensor<N x i64>
  %o3 = schedule.buffer output 3 : !layout.tensor<1 x i64>
  schedule.stage @elements %o0, %o1, %o2, %o3 = kernel.find_distinct(%x) plan {lanes 8}
  func.return
}

// Longer ones are compared until an element differs.
// CHECK-LABEL: func.func @find_distinct_
// CHECK: arith.shrui
// CHECK: scf.while
func.func @rows(%x: !layout.tensor<N x 3 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x i64>
  %o1 = schedule.buffer output 1 : !layout.tensor<N x i64>
  %o2 = schedule.buffer output 2 : !layout.tensor<N x i64>
  %o3 = schedule.buffer output 3 : !layout.tensor<1 x i64>
  schedule.stage @rows %o0, %o1, %o2, %o3 = kernel.find_distinct(%x) unsorted plan {lanes 16}
  func.return
}
