// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Each full tile of 5 rows fetches a fifth of the next panel, 12 elements further with each step of its sum.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.for %[[K:.*]] = {{.*}} -> (vector<5x64xf32>)
// CHECK:   memref.prefetch %{{.*}}[%{{.*}}], read, locality<2>, data
// CHECK-NOT: memref.prefetch
// CHECK:   vector.contract
func.func @product(%x: !layout.tensor<27 x 64 x f32>, %w: !layout.tensor<64 x 128 x f32, Ba64b>) {
  %o = schedule.buffer output 0 : !layout.tensor<27 x 128 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 5, n tile 64, prefetch true}
  func.return
}

// Of a B that is copied, tiles fetch the rows that come after a block where they lie: the next panel's after the last.
// CHECK-LABEL: func.func @gemm_
// CHECK: %[[LAST:.*]] = arith.cmpi sge, %[[NEXT:.*]], %{{.*}} : index
// CHECK: %{{.*}} = arith.select %[[LAST]], %{{.*}}, %[[NEXT]] : index
// CHECK: scf.for %[[K:.*]] = {{.*}} -> (vector<5x64xf32>)
// CHECK:   %[[ROW:.*]] = arith.divui %[[ELEMENT:.*]], %{{.*}} : index
// CHECK:   arith.remui %[[ELEMENT]], %{{.*}} : index
// CHECK:   memref.prefetch %{{.*}}[%{{.*}}], read, locality<2>, data
// CHECK-NOT: memref.prefetch
// CHECK:   vector.contract
func.func @given(%x: !layout.tensor<27 x 64 x f32>, %b: !layout.tensor<64 x 128 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<27 x 128 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %b) plan {m tile 5, n tile 64, k block 32, pack true, prefetch true}
  func.return
}

// Tiles of pixels fetch the weights of the next block of output channels.
// CHECK-LABEL: func.func @conv_
// CHECK: scf.for {{.*}} -> (vector<7x2x16xf32>)
// CHECK:   memref.prefetch %{{.*}}[%{{.*}}], read, locality<2>, data
// CHECK:   vector.contract
func.func @convolution(%x: !layout.tensor<1 x 32 x 7 x 7 x f32, NCHW16c>, %w: !layout.tensor<64 x 32 x 1 x 1 x f32, ABcd16b32a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x 7 x 7 x f32, NCHW16c>
  schedule.stage @c %o = kernel.conv direct(%x, %w) plan {oc blocks 2, ow tile 7, prefetch true}
  func.return
}

// One row reads a panel once: it fetches what lies 1 KiB behind each row of the panel, four lines of 16 numbers.
// CHECK-LABEL: func.func @gemm_
// CHECK: %[[AHEAD:.*]] = arith.constant 256 : index
// CHECK: %[[FIRST:.*]] = arith.addi %{{.*}}, %[[AHEAD]] : index
// CHECK: scf.for %{{.*}} -> (vector<1x64xf32>)
// CHECK:   arith.addi %[[FIRST]], %{{.*}} : index
// CHECK-COUNT-4: memref.prefetch %{{.*}}[%{{.*}}], read, locality<2>, data
// CHECK-NOT: memref.prefetch
// CHECK:   vector.contract
func.func @one_row(%x: !layout.tensor<1 x 64 x f32>, %w: !layout.tensor<64 x 128 x f32, Ba64b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 128 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 6, n tile 64, k ahead 1024}
  func.return
}

// Of numbers of 4 bits a block of 32 for 32 columns, the scales and four rows of words, is ten lines.
// CHECK-LABEL: func.func @block_gemm_
// CHECK: scf.for %{{.*}} -> (vector<1x32xf32>)
// CHECK-COUNT-10: memref.prefetch %{{.*}}[%{{.*}}, %{{.*}}], read, locality<2>, data
// CHECK-NOT: memref.prefetch
func.func @few_bits(%x: !layout.tensor<1 x 64 x f32>, %w: !layout.tensor<10 x 64 x i32, Ba32b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x f32>
  schedule.stage @g %o = kernel.block_gemm(%x, %w) plan {m tile 6, n tile 32, k ahead 1024}
  func.return
}
