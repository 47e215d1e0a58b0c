// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Vectors are compared with the last element that is wanted; only where one is before it, lanes are gathered.
// CHECK-LABEL: func.func @top_k_
// CHECK: scf.while
// CHECK: scf.while
// CHECK: vector.load {{.*}}, vector<16xf32>
// CHECK: arith.bitcast {{.*}} : vector<16xf32> to vector<16xi32>
// CHECK: vectorx.cmpi ult
// CHECK: vector.reduction <or>
// CHECK: scf.if
// The sort goes over four bytes of the keys.
// CHECK: scf.for {{.*}} = %{{.*}} to %{{.*}} step %{{.*}} iter_args
// CHECK: arith.shrui
// CHECK: memref.store
func.func @top_k(%x: !layout.tensor<N x 100 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x 7 x f32>
  %o1 = schedule.buffer output 1 : !layout.tensor<N x 7 x i64>
  schedule.stage @top_k %o0, %o1 = kernel.top_k(%x) plan {lanes 16}
  func.return
}
