// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512 -p lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix ASM

// Eight rows at a time, each sum a vector along the depth until its end; rows are neighbours in y, so they are its lanes.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall (%[[CHUNK:.*]]) in (16)
// CHECK: %[[ROW:.*]] = memref.reinterpret_cast %1 to offset: [0], sizes: [100], strides: [1]
// CHECK: memref.reinterpret_cast %0 to offset: [%{{.*}}], sizes: [8, 100], strides: [100, 1]
// CHECK: %[[PARTS:.*]] = scf.for %{{.*}} iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (vector<8x16xf32>)
// CHECK:   %[[A:.*]] = vector.load {{.*}} vector<8x16xf32>
// CHECK:   %[[B:.*]] = vector.load %[[ROW]]{{.*}} vector<16xf32>
// CHECK:   %[[ALL:.*]] = vector.broadcast %[[B]] : vector<16xf32> to vector<8x16xf32>
// CHECK:   vector.fma %[[A]], %[[ALL]], %[[BEFORE]] : vector<8x16xf32>
// What is left of the depth is read by a mask.
// CHECK: vector.transfer_read
// CHECK: vector.maskedload
// CHECK: %[[LAST:.*]] = vector.fma {{.*}} %[[PARTS]] : vector<8x16xf32>
// CHECK: vector.multi_reduction <add>, %[[LAST]], %{{.*}} [1] : vector<8x16xf32> to vector<8xf32>
// CHECK: vector.store {{.*}} vector<8xf32>
//
// Loads and multiply-adds, nothing else.
// ASM-LABEL: gemm_{{.*}}.body:
// ASM: vmovups ({{.*}}), %[[ROW:zmm[0-9]+]]
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NEXT: vfmadd231ps {{.*}}(%{{.*}}), %[[ROW]], %zmm
// ASM-NOT: zmm
// ASM: jb
func.func @one_column(%x: !layout.tensor<2048 x 100 x f32>, %w: !layout.tensor<100 x 1 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<2048 x 1 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 8 chunks 16, n tile 1, k lanes 16}
  func.return
}

// One row by a transposed B, whose columns lie along the depth: threads share tiles of columns. Long sums go in blocks.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall (%[[PANEL:.*]]) in (250)
// CHECK: vector.load {{.*}} vector<4xf32>
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     vector.load {{.*}} vector<1x1x16xf32>
// CHECK:     vector.load {{.*}} vector<4x16xf32>
// CHECK:     vector.fma {{.*}} : vector<1x4x16xf32>
// CHECK:   arith.addf {{.*}} : vector<1x4x16xf32>
// CHECK: vector.multi_reduction <add>, %{{.*}}, %{{.*}} [2] : vector<1x4x16xf32> to vector<1x4xf32>
// CHECK: vector.store {{.*}} vector<1x4xf32>
func.func @one_row(%x: !layout.tensor<1 x 32768 x f32>, %w: !layout.tensor<1000 x 32768 x f32>, %bias: !layout.tensor<1000 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 1000 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w, %bias) transpose_b plan {m tile 1, n tile 4, k lanes 16}
  func.return
}

// Narrow numbers are widened as they are read.
// CHECK-LABEL: func.func @gemm_
// CHECK: vector.load {{.*}} vector<2x1x16xbf16>
// CHECK: arith.extf {{.*}} : vector<2x1x16xbf16> to vector<2x1x16xf32>
// CHECK: arith.truncf
func.func @narrow(%x: !layout.tensor<2 x 64 x bf16>, %w: !layout.tensor<64 x 3 x bf16, ba>) {
  %o = schedule.buffer output 0 : !layout.tensor<2 x 3 x bf16>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 2, n tile 3, k lanes 16}
  func.return
}

// Of free rows few are multiplied so, one at a time, in panels that threads share as those of many rows.
// CHECK-LABEL: func.func @gemm_
// CHECK: %[[FEW:.*]] = arith.cmpi sle, %S, %{{.*}} : index
// CHECK: scf.if %[[FEW]] {
// CHECK:   scf.forall
// CHECK:   vector.multi_reduction <add>, %{{.*}}, %{{.*}} [2] : vector<1x8x16xf32> to vector<1x8xf32>
// CHECK: %[[MANY:.*]] = arith.cmpi sgt, %S, %{{.*}} : index
// CHECK: scf.if %[[MANY]] {
// CHECK:   scf.forall
// CHECK:   vector.contract
func.func @free_rows(%x: !layout.tensor<S x 64 x f32>, %w: !layout.tensor<T x 64 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<S x T x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) transpose_b plan {m tile 6, n tile 64, k lanes 16 rows 4 columns 8}
  func.return
}

// Columns that do not lie by depth are copied so, once for all chunks of rows that a thread has.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall
// CHECK: scf.if
// CHECK:   %[[COLUMNS:.*]] = vector.transfer_read {{.*}}permutation_map = affine_map<(d0, d1) -> (d1, d0)>{{.*}}vector<3x16xf32>
// CHECK:   vector.store %[[COLUMNS]], {{.*}}"thread">, vector<3x16xf32>
// CHECK: vector.load {{.*}}"thread">, vector<3x16xf32>
// CHECK: vector.fma {{.*}} : vector<5x3x16xf32>
func.func @copied(%x: !layout.tensor<160 x 64 x f32>, %w: !layout.tensor<64 x 3 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<160 x 3 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 5 chunks 8, n tile 3, k lanes 16, pack true}
  func.return
}
