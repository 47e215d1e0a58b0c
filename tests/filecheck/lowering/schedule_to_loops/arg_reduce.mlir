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
  schedule.stage @along_lanes ins(%x : !layout.tensor<8 x 64 x f32>) outs(%o0 : !layout.tensor<8 x 1 x i64>) tile {lanes = 16} {
  ^bb0(%a: !layout.tensor<8 x 64 x f32>):
    %r = kernel.arg_reduce ins(%a : !layout.tensor<8 x 64 x f32>) kind max axis 1 -> !layout.tensor<8 x 1 x i64>
    schedule.yield %r : !layout.tensor<8 x 1 x i64>
  }
  func.return
}

// Lanes across it: the last of equals stays, so an equal one replaces it.
// CHECK-LABEL: func.func @arg_reduce_
// CHECK: vectorx.cmpf ole
// CHECK-NOT: vector.reduction
// CHECK: vector.store {{.*}}, vector<16xi64>
func.func @across_lanes(%x: !layout.tensor<8 x 16 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 16 x i64>
  schedule.stage @across_lanes ins(%x : !layout.tensor<8 x 16 x f32>) outs(%o0 : !layout.tensor<1 x 16 x i64>) tile {lanes = 16} {
  ^bb0(%a: !layout.tensor<8 x 16 x f32>):
    %r = kernel.arg_reduce ins(%a : !layout.tensor<8 x 16 x f32>) kind min axis 0 last -> !layout.tensor<1 x 16 x i64>
    schedule.yield %r : !layout.tensor<1 x 16 x i64>
  }
  func.return
}
