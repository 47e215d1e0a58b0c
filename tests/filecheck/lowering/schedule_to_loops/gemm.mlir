// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// One panel of 64 columns at a time; five rows of it are summed in registers over the whole depth.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall (%[[PANEL:.*]]) in (2)
// CHECK: memref.reinterpret_cast %1 to offset: [%{{.*}}], sizes: [64, 1, 64], strides: [64, 64, 1]
// CHECK: scf.for
// CHECK: %[[SUMS:.*]] = scf.for %[[K:.*]] = {{.*}} iter_args(%[[ACC:.*]] = %{{.*}}) -> (vector<5x64xf32>)
// CHECK:   %[[A:.*]] = vector.load {{.*}} vector<5x1xf32>
// CHECK:   %[[B:.*]] = vector.load {{.*}} vector<1x64xf32>
// CHECK:   vector.contract %[[A]], %[[B]], %[[ACC]] : vector<5x1xf32>, vector<1x64xf32> into vector<5x64xf32>
// The epilogue works on the whole tile, then it is stored once.
// CHECK: arith.maximumf %[[SUMS]], %{{.*}} : vector<5x64xf32>
// CHECK: vector.store
// CHECK-NOT: vector.store
func.func @f(%x: !layout.tensor<10 x 64 x f32>, %w: !layout.tensor<64 x 128 x f32, Ba64b>) {
  %o = schedule.buffer output 0 : !layout.tensor<10 x 128 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 5, n tile 64} epilogue(%sum) {%zero = arith.constant 0.0 : f32, %relu = arith.maximumf %sum, %zero : f32}
  func.return
}

// Of a deep product every 1024 are summed from zero.
// CHECK-LABEL: func.func @gemm_
// CHECK: %[[DEEP:.*]] = scf.for %[[BLOCK:.*]] = {{.*}} iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (vector<5x64xf32>)
// CHECK:   %[[PART:.*]] = scf.for {{.*}} = %[[BLOCK]] to {{.*}} -> (vector<5x64xf32>)
// CHECK:     vector.contract
// CHECK:   %[[AFTER:.*]] = arith.addf %[[BEFORE]], %[[PART]] : vector<5x64xf32>
// CHECK:   scf.yield %[[AFTER]]
// CHECK: vector.store
func.func @deep(%x: !layout.tensor<10 x 4096 x f32>, %w: !layout.tensor<4096 x 128 x f32, Ba64b>) {
  %o = schedule.buffer output 0 : !layout.tensor<10 x 128 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 5, n tile 64}
  func.return
}

// Where a panel would not stay in the cache, blocks of its rows go outside: what they give is kept in scratch.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall
// CHECK:   vector.store %{{.*}} : memref<5x64xf32, strided<[64, 1], offset: ?>, "thread">, vector<5x64xf32>
// CHECK:   scf.for %[[BLOCK:.*]] = %{{.*}} to %{{.*}} step %[[TURNS:.*]] {
// CHECK:     memref.reinterpret_cast %1 to offset: [%{{.*}}], sizes: [1024, 1, 64], strides: [64, 64, 1]
// CHECK:     scf.for
// CHECK:       %[[PART:.*]] = scf.for {{.*}} iter_args({{.*}}) -> (vector<5x64xf32>)
// CHECK:       %[[BEFORE:.*]] = vector.load {{.*}}"thread">, vector<5x64xf32>
// CHECK:       %[[AFTER:.*]] = arith.addf %[[BEFORE]], %[[PART]]
// CHECK:       vector.store %[[AFTER]], {{.*}}"thread">
// Of the last block, sums go on to the epilogue and the result.
// CHECK:   memref.reinterpret_cast %1 to offset: [%{{.*}}], sizes: [904, 1, 64], strides: [64, 64, 1]
// CHECK:   arith.addf
// CHECK:   arith.maximumf
// CHECK:   vector.store {{.*}} : memref<5x64xf32, strided<[128, 1], offset: ?>>
func.func @blocks(%x: !layout.tensor<10 x 5000 x f32>, %w: !layout.tensor<5000 x 128 x f32, Ba64b>) {
  %o = schedule.buffer output 0 : !layout.tensor<10 x 128 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) plan {m tile 5, n tile 64, k block 1024} epilogue(%sum) {%zero = arith.constant 0.0 : f32, %relu = arith.maximumf %sum, %zero : f32}
  func.return
}

// B's rows are copied, where they lie far apart or its columns do not lie side by side: squares of it are transposed.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall
// CHECK:   scf.for
// CHECK:     scf.for
// CHECK:       %[[SQUARE:.*]] = vector.transfer_read {{.*}}permutation_map = affine_map<(d0, d1) -> (d1, d0)>{{.*}}vector<16x16xf32>
// CHECK:       vector.store %[[SQUARE]], {{.*}}"thread">, vector<16x16xf32>
// CHECK:   vector.contract
func.func @transposed(%x: !layout.tensor<10 x 64 x f32>, %w: !layout.tensor<128 x 64 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<10 x 128 x f32>
  schedule.stage @g %o = kernel.gemm(%x, %w) transpose_b plan {m tile 5, n tile 64}
  func.return
}
