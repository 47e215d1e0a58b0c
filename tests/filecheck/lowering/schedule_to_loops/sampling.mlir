// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// A place of the grid at a time; its channels lie far apart, and are read one by one.
// CHECK-LABEL: func.func @grid_sample_
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (%N, 4)
// CHECK: memref.load {{.*}} : memref<2xf32
// CHECK: math.floor
// CHECK: arith.fptosi
// CHECK: scf.for
// What lies outside counts as zero.
// CHECK: vector.load {{.*}}, vector<1xf32>
// CHECK: vectorx.select
// CHECK: vector.fma
// CHECK: vector.store {{.*}}, vector<1xf32>
func.func @grid(%x: !layout.tensor<N x 3 x H x W x f32>, %g: !layout.tensor<N x 4 x 5 x 2 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x 3 x 4 x 5 x f32>
  schedule.stage @grid %o0 = kernel.grid_sample(%x, %g) plan {lanes 16}
  func.return
}

// Channels that lie last go in vectors; an image out of range is reported.
// CHECK-LABEL: func.func @roi_align_
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (%R, 2)
// CHECK: arith.cmpi ult
// CHECK: memref.store {{.*}} : memref<?xi64>
// CHECK: scf.for
// CHECK: vector.load {{.*}}, vector<32xf32>
// CHECK: vector.fma
// CHECK: arith.divf {{.*}} : vector<32xf32>
func.func @regions(%x: !layout.tensor<N x H x W x 32 x f32>, %r: !layout.tensor<R x 4 x f32>, %i: !layout.tensor<R x i64>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<R x 2 x 2 x 32 x f32>
  schedule.stage @regions %o0 = kernel.roi_align(%x, %r, %i) size [2, 2] sampling_ratio 2 channels_last plan {lanes 16, unroll 2}
  func.return
}
