// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Lanes along the axis: each keeps its best, the first of the best lanes wins.
// CHECK-LABEL: func.func @arg_reduce_
// CHECK: scf.for {{.*}} -> (vector<16xf32>, vector<16xi64>)
// CHECK: vectorx.cmpf ogt
// CHECK: vector.reduction <maximumf>
// CHECK: vectorx.cmpf oeq
// CHECK: vector.reduction <minsi>
func.func @along_lanes(%x: !layout.tensor<8 x 64 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<8 x 1 x i64>
  schedule.stage @along_lanes %o0 = kernel.arg_reduce max(%x) axis 1 plan {lanes 16}
  func.return
}

// Lanes across it: the last of equals stays, so an equal one replaces it.
// CHECK-LABEL: func.func @arg_reduce_
// CHECK: vectorx.cmpf ole
// CHECK-NOT: vector.reduction
// CHECK: vector.store {{.*}}, vector<16xi64>
func.func @across_lanes(%x: !layout.tensor<8 x 16 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 16 x i64>
  schedule.stage @across_lanes %o0 = kernel.arg_reduce min(%x) axis 0 last plan {lanes 16}
  func.return
}
