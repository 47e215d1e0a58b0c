// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// A tile of 2 x 7 pixels of 16 channels; the window's nine taps are written out.
// CHECK-LABEL: func.func @conv_depthwise_
// CHECK: memref.reinterpret_cast %0 to offset: [%{{.*}}], sizes: [3, 3, 2, 7, 16], strides: [256, 16, 256, 16, 1]
// CHECK-COUNT-9: vector.fma {{.*}} : vector<2x7x16xf32>
// CHECK-NOT: vector.fma
// CHECK: vector.store {{.*}} vector<2x7x16xf32>
func.func @f(%x: !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<32 x 1 x 3 x 3 x f32, Abcd16a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c>
  schedule.stage @c %o = kernel.conv depthwise(%x, %w) pads [1, 1, 1, 1] groups 32 plan {oh tile 2, ow tile 7}
  func.return
}

// Threads share rows: each sets the margins beside its own to zero, and takes its tiles of them in every block of channels.
// CHECK-LABEL: func.func @conv_depthwise_
// CHECK-COUNT-2: scf.forall (%{{.*}}) in (16)
// CHECK: scf.for
// CHECK-NEXT: scf.forall (%{{.*}}) in (7)
// CHECK: vector.store {{.*}} vector<2x7x16xf32>
func.func @rows(%x: !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<32 x 1 x 3 x 3 x f32, Abcd16a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>
  schedule.stage @c %o = kernel.conv depthwise(%x, %w) pads [1, 1, 1, 1] groups 32 plan {oh tile 2, ow tile 7, threads [n, oh]}
  func.return
}
