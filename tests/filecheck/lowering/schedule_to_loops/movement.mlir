// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Rows of x are columns of the blocks: 16 x 16 elements are transposed in registers.
// CHECK-LABEL: func.func @convert_
// CHECK: sizes: [16, 16], strides: [64, 1]
// CHECK: vector.transfer_read {{.*}} permutation_map = affine_map<(d0, d1) -> (d1, d0)>{{.*}}, vector<16x16xf32>
// CHECK: vector.store {{.*}}, vector<16x16xf32>
// CHECK-NOT: vector.store
func.func @pack(%x: !layout.tensor<1 x 32 x 8 x 8 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 32 x 8 x 8 x f32, NCHW16c>
  schedule.stage @pack %o0 = layout.convert %x plan {lanes 16}
  func.return
}

// 24 channels: a full block, and one that is walked apart because it holds 8.
// CHECK-LABEL: func.func @convert_
// CHECK: vector.store {{.*}}, vector<16x16xf32>
// CHECK: vector.transfer_read {{.*}} memref<8x16xf32{{.*}}, vector<16x8xf32>
// CHECK: vector.store {{.*}}, vector<16x8xf32>
// CHECK-NOT: mask
func.func @pack_partial(%x: !layout.tensor<1 x 24 x 4 x 4 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 24 x 4 x 4 x f32, NCHW16c>
  schedule.stage @pack_partial %o0 = layout.convert %x plan {lanes 16}
  func.return
}

// Each part goes to its window of the result.
// CHECK-LABEL: func.func @concat_
// CHECK: memref.reinterpret_cast %2 to offset: [0], sizes: [2, 16], strides: [48, 1]
// CHECK: memref.reinterpret_cast %2 to offset: [16], sizes: [2, 32], strides: [48, 1]
func.func @join(%x: !layout.tensor<2 x 16 x f32>, %y: !layout.tensor<2 x 32 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<2 x 48 x f32>
  schedule.stage @join %o0 = kernel.concat(%x, %y) axis 1 plan {lanes 16}
  func.return
}

// What grows is copied only where it does not lie in the result already.
// CHECK-LABEL: func.func @concat_
// CHECK: %[[PAST:.*]] = "memref.extract_aligned_pointer_as_index"(%0)
// CHECK-NEXT: %[[WHOLE:.*]] = "memref.extract_aligned_pointer_as_index"(%2)
// CHECK-NEXT: %[[BEGINS:.*]] = arith.cmpi ne, %[[PAST]], %[[WHOLE]]
// CHECK-NEXT: %[[SIZES:.*]] = arith.cmpi ne
// CHECK-NEXT: %[[APART:.*]] = arith.ori %[[BEGINS]], %[[SIZES]]
// CHECK-NEXT: scf.if %[[APART]] {
// CHECK: memref.reinterpret_cast %0
// CHECK: memref.reinterpret_cast %1
func.func @grow(%past: !layout.tensor<4 x P x 16 x f32, abc window [0, 0, 0, 0, R, 0]>, %new: !layout.tensor<4 x 1 x 16 x f32>) attributes {lamina.grows = [{input = 0 : i64, output = 0 : i64, axis = 1 : i64, room_before = "R", room = "Q"}]} {
  %o0 = schedule.buffer output 0 : !layout.tensor<4 x (P + 1) x 16 x f32, abc window [0, 0, 0, 0, Q, 0]>
  schedule.stage @grow %o0 = kernel.concat(%past, %new) axis 1 grows plan {lanes 16}
  func.return
}

// CHECK-LABEL: func.func @slice_
// CHECK: memref.reinterpret_cast %0 to offset: [1], sizes: [16], strides: [2]
// CHECK: vector.transfer_read {{.*}}, vector<16xf32>
func.func @every_other(%x: !layout.tensor<64 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<16 x f32>
  schedule.stage @every_other %o0 = kernel.slice(%x) starts [1] steps [2] plan {lanes 16}
  func.return
}

// The inside is copied, then the border filled.
// CHECK-LABEL: func.func @pad_
// CHECK: %[[VALUE:.*]] = arith.constant 1.500000e+00 : f32
// CHECK: memref.reinterpret_cast %1 to offset: [2], sizes: [4, 16], strides: [20, 1]
// CHECK: vector.broadcast %[[VALUE]] : f32 to vector<4x2xf32>
// CHECK: memref.reinterpret_cast %1 to offset: [0], sizes: [4, 2], strides: [20, 1]
// CHECK: memref.reinterpret_cast %1 to offset: [18], sizes: [4, 2], strides: [20, 1]
func.func @border(%x: !layout.tensor<4 x 16 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<4 x 20 x f32>
  schedule.stage @border %o0 = kernel.pad(%x) lower [0, 2] upper [0, 2] value 1.5 plan {lanes 16}
  func.return
}

// CHECK-LABEL: func.func @dim_values_
// CHECK: arith.index_cast %N : index to i64
// CHECK-COUNT-2: memref.store
func.func @sizes(%x: !layout.tensor<N x 4 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<2 x i64>
  schedule.stage @sizes %o0 = kernel.dim_values() values [N, 4]
  func.return
}

// Only a run can tell whether N is 1: rows are then 0 elements apart.
// CHECK-LABEL: func.func @broadcast_
// CHECK: [[LESS:%[0-9]+]] = arith.addi {{%[0-9]+}}, %N : index
// CHECK-NEXT: [[NONE:%[0-9]+]] = arith.maxsi {{%[0-9]+}}, [[LESS]] : index
// CHECK-NEXT: [[MOVES:%[0-9]+]] = arith.minsi {{%[0-9]+}}, [[NONE]] : index
// CHECK-NEXT: arith.muli {{%[0-9]+}}, [[MOVES]] : index
// CHECK: vector.store
func.func @as_a_run_finds(%x: !layout.tensor<N x 16 x f32>, %y: !layout.tensor<M x 16 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<broadcast(M, N) x 16 x f32>
  schedule.stage @as_a_run_finds %o0 = kernel.broadcast(%x) plan {lanes 16}
  func.return
}
