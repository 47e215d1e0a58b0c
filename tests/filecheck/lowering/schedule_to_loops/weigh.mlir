// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// CHECK-LABEL: func.func @weigh_
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (2, 9)
// CHECK: memref.load {{.*}} : memref<1xi64
// CHECK: scf.for
// CHECK: memref.load {{.*}} : memref<4xf32
// CHECK: vector.broadcast {{.*}} : f32 to vector<16xf32>
// CHECK: vector.fma
// CHECK: vector.store {{.*}}, vector<16xf32>
func.func @rows(%x: !layout.tensor<2 x 20 x 16 x f32>, %f: !layout.tensor<9 x i64>, %w: !layout.tensor<9 x 4 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<2 x 9 x 16 x f32>
  schedule.stage @rows %o0 = kernel.weigh(%x, %f, %w) axis 1 plan {lanes 16, unroll 1}
  func.return
}
