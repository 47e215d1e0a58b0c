// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Threads share blocks of 32 output channels and rows; 7 pixels of a row are summed over the whole window.
// CHECK-LABEL: func.func @conv_direct_
// CHECK: scf.forall (%[[ROW:.*]]) in (14)
// x is seen as overlapping windows, w as one block; the halo makes up for the padding.
// CHECK: %[[X:.*]] = memref.reinterpret_cast %0 to offset: [%{{.*}}], sizes: [2, 3, 3, 16, 7, 1], strides: [4096, 256, 16, 1, 16, 1]
// CHECK: %[[W:.*]] = memref.reinterpret_cast %1 to offset: [0], sizes: [2, 3, 3, 16, 1, 2, 16], strides: [4608, 1536, 512, 32, 0, 16, 1]
// CHECK-COUNT-4: iter_args({{.*}}) -> (vector<7x2x16xf32>)
// CHECK: vector.load %[[X]][{{.*}}] : {{.*}}, vector<7x1xf32>
// CHECK: vector.load %[[W]][{{.*}}] : {{.*}}, vector<1x2x16xf32>
// CHECK: vector.contract {{.*}} into vector<7x2x16xf32>
// CHECK: memref.reinterpret_cast %2 to offset: [%{{.*}}], sizes: [7, 2, 16], strides: [16, 3136, 1]
// CHECK: vector.store {{.*}}, vector<7x2x16xf32>
// CHECK-NOT: vector.store
func.func @f(%x: !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<32 x 32 x 3 x 3 x f32, ABcd16b32a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c>
  schedule.stage @c %o = kernel.conv direct(%x, %w) pads [1, 1, 1, 1] plan {oc blocks 2, ow tile 7}
  func.return
}

// Strips of two rows go through all blocks of output channels, so that x is read once.
// CHECK-LABEL: func.func @conv_direct_
// CHECK: scf.forall (%{{.*}}, %[[CHANNELS:.*]], %[[ROW:.*]]) in (7, 2, 2)
func.func @strips(%x: !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<64 x 32 x 3 x 3 x f32, ABcd16b32a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x 14 x 14 x f32, NCHW16c>
  schedule.stage @c %o = kernel.conv direct(%x, %w) pads [1, 1, 1, 1] plan {oc blocks 2, ow tile 7, strip 30}
  func.return
}

// Narrow numbers: four channels at a time, a block of them in four turns; of the 39th to 32 four again, then three,
// beside which the word has a zero.
// CHECK-LABEL: func.func @conv_direct_
// CHECK: vector.contract {atom = "vpdpbusd"} {{.*}} : vector<6x1x4xui8>, vector<1x2x16x4xi8> into vector<6x2x16xi32>
// CHECK: vector.contract {atom = "vpdpbusd"} {{.*}} : vector<6x1x4xui8>, vector<1x2x16x4xi8> into vector<6x2x16xi32>
// CHECK: vector.load {{.*}}, vector<1xui8>
// CHECK: arith.ori {{.*}} : vector<1xi32>
// CHECK: vector.contract {atom = "vpdpbusd"} {{.*}} : vector<6x1x4xui8>, vector<1x2x16x4xi8> into vector<6x2x16xi32>
// CHECK: vector.store
func.func @words(%x: !layout.tensor<1 x 39 x 8 x 14 x i8, NCHW16c>, %w: !layout.tensor<32 x 39 x 3 x 3 x i8, AcdB32a4b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 6 x 12 x i32, NCHW16c>
  schedule.stage @words %o = kernel.conv direct(%x, %w) unsigned [0] plan {ow tile 6, atom vpdpbusd}
  func.return
}

// Pixels of a strip are copied once, before they go through the blocks of output channels.
// CHECK-LABEL: func.func @conv_
// CHECK: scf.forall (%{{.*}}, %[[CO:.*]]) in (13, 2)
// CHECK: %[[FIRST:.*]] = threads.first_turn
// CHECK: scf.if
// CHECK:   vector.store {{.*}} "thread">, vector<8x16xf32>
// CHECK: vector.contract
func.func @staged(%x: !layout.tensor<1 x 32 x 20 x 20 x f32, NCHW16c>, %w: !layout.tensor<64 x 32 x 1 x 1 x f32, ABcd16b32a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x 20 x 20 x f32, NCHW16c>
  schedule.stage @c %o = kernel.conv direct(%x, %w) plan {oc blocks 2, ow tile 8, strip 32, pack true}
  func.return
}

// Threads share pieces of the one long row of a 1x1 convolution: an even number of them, of a tile at least.
// CHECK-LABEL: func.func @conv_direct_
// CHECK: scf.forall (%{{.*}}) in (14)
// CHECK: vector.store {{.*}} vector<14x1x16xf32>
func.func @rows(%x: !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c>, %w: !layout.tensor<32 x 32 x 1 x 1 x f32, ABcd16b16a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c>
  schedule.stage @c %o = kernel.conv direct(%x, %w) plan {oc blocks 1, ow tile 14, threads [n, oh]}
  func.return
}
