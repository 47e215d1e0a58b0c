// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Four pixels at a time where the window's columns lie inside; its rows are cut to those inside.
// CHECK-LABEL: func.func @pool_
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<4x16xf32>)
// CHECK-COUNT-3: vectorx.cmpf ogt
// CHECK: vector.store {{.*}}, vector<4x16xf32>
// The fifth pixel inside.
// CHECK: vector.store {{.*}}, vector<16xf32>
// At the edge the window's columns are cut too.
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>)
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>)
// CHECK: vector.store {{.*}}, vector<16xf32>
func.func @largest(%x: !layout.tensor<1 x 16 x 12 x 12 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 16 x 6 x 6 x f32, NCHW16c>
  schedule.stage @largest %o0 = kernel.pool max(%x) window [3, 3] strides [2, 2] pads [1, 1, 1, 1] plan {ow tile 4, lanes 16}
  func.return
}

// Nothing lies outside: there is no edge.
// CHECK-LABEL: func.func @pool_
// CHECK-COUNT-2: arith.addf {{.*}} : vector<4x16xf32>
// CHECK: arith.divf {{.*}} : vector<4x16xf32>
// CHECK: vector.store {{.*}}, vector<4x16xf32>
// CHECK-NOT: vector.store
func.func @mean(%x: !layout.tensor<1 x 16 x 8 x 8 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 16 x 4 x 4 x f32, NCHW16c>
  schedule.stage @mean %o0 = kernel.pool average(%x) window [2, 2] strides [2, 2] plan {ow tile 4, lanes 16}
  func.return
}

// Threads share images and their rows.
// CHECK-LABEL: func.func @pool_
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (2, 14)
func.func @rows(%x: !layout.tensor<2 x 32 x 28 x 28 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<2 x 32 x 14 x 14 x f32, NCHW16c>
  schedule.stage @rows %o0 = kernel.pool max(%x) window [2, 2] strides [2, 2] plan {ow tile 4, lanes 16, share rows}
  func.return
}
