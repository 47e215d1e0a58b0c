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
  schedule.stage @g %o = kernel.gemm(%x, %w) tile {rows = 5, columns = 64} epilogue(%sum) {%zero = arith.constant 0.0 : f32, %relu = arith.maximumf %sum, %zero : f32}
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
  schedule.stage @g %o = kernel.gemm(%x, %w) tile {rows = 5, columns = 64}
  func.return
}
