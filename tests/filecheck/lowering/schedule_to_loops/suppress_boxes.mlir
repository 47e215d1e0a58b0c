// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Rounds of candidates; each is compared with vectors of what is kept, until one overlaps it too much. Only where a
// box meets another is there a division.
// CHECK-LABEL: func.func @suppress_boxes_
// CHECK: scf.while
// CHECK: vectorx.cmpi ult
// CHECK: vectorx.cmpi uge
// CHECK: scf.while {{.*}} : (index, i1) -> (index, i1)
// CHECK: vector.load {{.*}}, vector<16xf32>
// CHECK: vector.reduction <or>
// CHECK: scf.if
// CHECK: arith.divf {{.*}} : vector<16xf32>
func.func @boxes(%b: !layout.tensor<1 x 100 x 4 x f32>, %s: !layout.tensor<1 x 80 x 100 x f32>, %m: !layout.tensor<1 x i64>, %t: !layout.tensor<1 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 80 x 50 x i64>
  %o1 = schedule.buffer output 1 : !layout.tensor<1 x 80 x i64>
  schedule.stage @boxes %o0, %o1 = kernel.suppress_boxes(%b, %s, %m, %t, %t) plan {lanes 16}
  func.return
}

// CHECK-LABEL: func.func @list_boxes_
// CHECK-COUNT-3: memref.store {{.*}} : memref<?xi64>
func.func @rows(%k: !layout.tensor<1 x 80 x 50 x i64>, %n: !layout.tensor<1 x 80 x i64>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<rows x 3 x i64>
  schedule.stage @rows %o0 = kernel.list_boxes(%k, %n) plan {lanes 16}
  func.return
}
