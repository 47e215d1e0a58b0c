// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// The panel of 72 x 64 columns lies in scratch.
// CHECK-LABEL: func.func @conv_im2col_
// CHECK: %[[OWN:.*]] = threads.own_part %3 of %{{.*}} bytes
// CHECK: %[[MEMORY:.*]] = memref.view %[[OWN]][%{{.*}}][%{{.*}}] : memref<?xi8, "thread"> to memref<?xf32, "thread">
// CHECK: %[[COLUMNS:.*]] = memref.reinterpret_cast %[[MEMORY]] to offset: [0], sizes: [3, 3, 8, 64], strides: [192, 64, 576, 1]
// Pixels whose window lies inside x are copied vector by vector; rows of the window outside become zeros.
// CHECK: scf.if
// CHECK: vector.load %{{.*}} : {{.*}}, vector<16xf32>
// CHECK: vector.store %{{.*}}, %[[COLUMNS]]
// CHECK: vector.store %{{.*}}, %[[COLUMNS]]
// Elsewhere a mask makes zeros of the padding.
// CHECK: scf.if
// CHECK: %[[MASK:.*]] = arith.andi %{{.*}}, %{{.*}} : vector<16xi1>
// CHECK: vector.maskedload %{{.*}}, %[[MASK]], %{{.*}} into vector<16xf32>
// CHECK: vector.store %{{.*}}, %[[COLUMNS]]
// Then the weights multiply the panel, six output channels at a time.
// CHECK: %[[PANEL:.*]] = memref.reinterpret_cast %[[MEMORY]] to offset: [0], sizes: [72, 1, 64], strides: [64, 64, 1]
// CHECK: memref.reinterpret_cast %1 to offset: [%{{.*}}], sizes: [72, 6, 1], strides: [6, 1, 1]
// CHECK: iter_args({{.*}}) -> (vector<6x64xf32>)
// CHECK: vector.load %[[PANEL]]{{.*}}, vector<1x64xf32>
// CHECK: vector.contract {{.*}} into vector<6x64xf32>
// CHECK: vector.store {{.*}}, vector<6x64xf32>
func.func @f(%x: !layout.tensor<1 x 8 x 16 x 16 x f32>, %w: !layout.tensor<12 x 8 x 3 x 3 x f32, Abcd6a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 12 x 16 x 16 x f32>
  schedule.stage @c %o = kernel.conv im2col(%x, %w) pads [1, 1, 1, 1] plan {oc tile 6, p tile 64 lanes 16}
  func.return
}

// A 1x1 convolution of few channels reads x where it lies.
// CHECK-LABEL: func.func @conv_im2col_
// CHECK-NOT: memref.view
// CHECK: %[[MASK:.*]] = vector.create_mask %{{.*}}, %{{.*}} : vector<1x64xi1>
// CHECK: vector.transfer_read %{{.*}}, %[[MASK]] {{.*}} vector<1x64xf32>
// CHECK: vector.transfer_write
func.func @pointwise(%x: !layout.tensor<1 x 8 x H x W x f32>, %w: !layout.tensor<4 x 8 x 1 x 1 x f32, Abcd4a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 4 x H x W x f32>
  schedule.stage @c %o = kernel.conv im2col(%x, %w) plan {oc tile 4, p tile 64 lanes 16, pack false}
  func.return
}

// Columns of neighbouring pixels are read from x in place; only pixels whose window reaches the padding need masks.
// CHECK-LABEL: func.func @conv_im2col_
// CHECK-NOT: memref.view
// CHECK: %[[SUMS:.*]] = scf.if %{{.*}} -> (vector<4x16xf32>)
// The rows of the window that lie in the padding are left out.
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{.*}} iter_args({{.*}}) -> (vector<4x16xf32>)
// CHECK: vector.load {{.*}} vector<1x16xf32>
// CHECK: vector.contract {{.*}} into vector<4x16xf32>
// CHECK: } else {
// CHECK: vector.transfer_read {{.*}} vector<1x16xf32>
// CHECK: vector.contract {{.*}} into vector<4x16xf32>
// CHECK: vector.store %[[SUMS]]
func.func @in_place(%x: !layout.tensor<1 x 8 x 16 x 32 x f32>, %w: !layout.tensor<4 x 8 x 3 x 3 x f32, Abcd4a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 4 x 16 x 32 x f32>
  schedule.stage @c %o = kernel.conv im2col(%x, %w) pads [1, 1, 1, 1] plan {oc tile 4, p tile 16 lanes 16, pack false}
  func.return
}
