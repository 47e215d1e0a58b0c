// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// CHECK-LABEL: func.func @conv_winograd2_
// V, M and a tile for the image's edge lie in each thread's own scratch memory.
// CHECK-COUNT-3: memref.view
// The input transform reads 4 x 4 pixels and writes 16 points of V.
// CHECK: vector.load {{.*}} vector<4x16xf32>
// CHECK-COUNT-16: vector.store
// One product of matrices for each point.
// CHECK: vector.contract {{.*}} into vector<4x32xf32>
// The output transform gives 2 x 2 pixels, which are kept where they are of like size.
// CHECK: vector.reduction <or>
// CHECK: vector.store {{.*}} vector<2x2x16xf32>
// Others are summed from the taps, a column of two pixels at a time.
// CHECK: vector.contract {{.*}} into vector<2x16xf32>
func.func @f(%x: !layout.tensor<1 x 32 x 8 x 8 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<25 x 32 x 32 x f32, Cab32c>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 8 x 8 x f32, NCHW16c>
  schedule.stage @c %o = kernel.conv winograd2(%x, %w) pads [1, 1, 1, 1] plan {t tile 4 block 8, threads [t]}
  func.return
}
