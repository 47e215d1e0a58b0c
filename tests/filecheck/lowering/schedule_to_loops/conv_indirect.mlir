// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Padding reads zeros in scratch through x's pointer, so these two may alias.
// CHECK-LABEL: func.func @conv_indirect_
// CHECK-SAME: (%0: memref<?xf32> {lamina.may_alias}, %1: memref<?xf32>, %2: memref<?xf32>, %3: memref<?xi8, "thread"> {lamina.may_alias}, %H: index, %W: index
// CHECK: %[[OWN:.*]] = threads.own_part %3 of %{{.*}} bytes
// CHECK: %[[MEMORY:.*]] = memref.view %[[OWN]][%{{.*}}][%{{.*}}] : memref<?xi8, "thread"> to memref<?xindex, "thread">
// CHECK: %[[ZEROS:.*]] = memref.view %[[OWN]][%{{.*}}][%{{.*}}] : memref<?xi8, "thread"> to memref<?xf32, "thread">
// CHECK: %[[TABLE:.*]] = memref.reinterpret_cast %[[MEMORY]] to offset: [0], sizes: [9, 96], strides: [96, 1]
// Each tap of each pixel of the block gets an offset from x: its own or that of the zeros.
// CHECK: %[[FROM:.*]] = "memref.extract_aligned_pointer_as_index"(%0)
// CHECK: %[[TO:.*]] = "memref.extract_aligned_pointer_as_index"(%[[ZEROS]])
// CHECK: arith.subi %[[TO]], %[[FROM]] : index
// CHECK: %[[OFFSET:.*]] = arith.select
// CHECK: memref.store %[[OFFSET]], %[[TABLE]]
// A tile's six rows are loaded from the table once a tap.
// CHECK: scf.for %[[TAP:.*]] = {{.*}} iter_args({{.*}}) -> (vector<6x64xf32>)
// CHECK-COUNT-6: memref.load %[[TABLE]][%[[TAP]], %{{.*}}]
// CHECK: iter_args({{.*}}) -> (vector<6x64xf32>)
// CHECK-COUNT-6: vector.insert
// CHECK: vector.contract {{.*}} into vector<6x64xf32>
// CHECK: vector.store {{.*}}, vector<6x64xf32>
func.func @f(%x: !layout.tensor<1 x 24 x H x W x f32, NHWC>, %w: !layout.tensor<64 x 24 x 3 x 3 x f32, Acdb64a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x H x W x f32, NHWC>
  schedule.stage @c %o = kernel.conv indirect(%x, %w) pads [1, 1, 1, 1] plan {p block 96 tile 6, oc lanes 16}
  func.return
}

// A halo around x takes the place of the table.
// CHECK-LABEL: func.func @conv_indirect_
// CHECK-NOT: memref.view
// CHECK: vector.contract {{.*}} into vector<5x64xf32>
func.func @halo(%x: !layout.tensor<1 x 24 x 14 x 14 x f32, NHWC halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<64 x 24 x 3 x 3 x f32, Acdb64a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x 14 x 14 x f32, NHWC>
  schedule.stage @c %o = kernel.conv indirect(%x, %w) pads [1, 1, 1, 1] plan {p block 96 tile 5, oc lanes 16, table false}
  func.return
}

// Narrow numbers: four channels of each pixel are one word.
// CHECK-LABEL: func.func @conv_indirect_
// CHECK: vector.load {{.*}}, vector<4xui8>
// CHECK: vector.bitcast {{.*}} : vector<4xui8> to vector<1xi32>
// CHECK: %[[PIXELS:.*]] = vector.bitcast {{.*}} : vector<6x1x1xi32> to vector<6x1x4xui8>
// CHECK: vector.contract {atom = "vpdpbusd"} %[[PIXELS]], {{.*}} : vector<6x1x4xui8>, vector<1x64x4xi8> into vector<6x64xi32>
func.func @words(%x: !layout.tensor<1 x 24 x H x W x i8, NHWC>, %w: !layout.tensor<64 x 24 x 3 x 3 x i8, AcdB64a4b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x H x W x i32, NHWC>
  schedule.stage @c %o = kernel.conv indirect(%x, %w) unsigned [0] pads [1, 1, 1, 1] plan {p block 96 tile 6, oc lanes 16, atom vpdpbusd}
  func.return
}
