// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Lanes are channels: four rows of partial sums, combined pairwise at the end.
// CHECK-LABEL: func.func @reduce_
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<4x16xf32>)
// CHECK: arith.addf {{.*}} : vector<4x16xf32>
// CHECK-COUNT-4: vector.extract
// CHECK: arith.divf {{.*}} : vector<16xf32>
// CHECK: vector.store {{.*}}, vector<16xf32>
func.func @over_pixels(%x: !layout.tensor<1 x 32 x 7 x 7 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 32 x 1 x 1 x f32, NCHW16c>
  schedule.stage @over_pixels %o0 = kernel.reduce mean(%x) axes [2, 3] plan {lanes 16}
  func.return
}

// Lanes are the reduced axis: what the mask leaves out of the last vector is the neutral element.
// CHECK-LABEL: func.func @reduce_
// CHECK: arith.maximumf {{.*}} : vector<64xf32>
// CHECK: vectorx.select
// CHECK: vector.reduction <maximumf>, {{.*}} : vector<64xf32> into f32
// CHECK: vector.reduction <maximumf>, {{.*}} : vector<16xf32> into f32
// CHECK: vector.store {{.*}}, vector<1xf32>
func.func @over_rows(%x: !layout.tensor<8 x 70 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<8 x 1 x f32>
  schedule.stage @over_rows %o0 = kernel.reduce max(%x) axes [1] plan {lanes 16}
  func.return
}

// A long sum goes in blocks of 256 tiles; what rounding takes from their total is kept beside it, and added at the end.
// CHECK-LABEL: func.func @reduce_
// CHECK: %[[SUMS:.*]], %[[REST:.*]] = scf.for %[[START:.*]] = {{.*}} iter_args(%[[TOTAL:.*]] = %{{.*}}, %[[LOST:.*]] = %{{.*}}) -> (vector<64xf32>, vector<64xf32>)
// CHECK:   %[[PART:.*]] = scf.for {{.*}} = %[[START]] to {{.*}} -> (vector<64xf32>)
// CHECK:   %[[SUM:.*]] = arith.addf %[[TOTAL]], %[[PART]]
// CHECK:   %[[ERROR:.*]] = arith.addf
// CHECK:   %[[KEPT:.*]] = arith.addf %[[LOST]], %[[ERROR]]
// CHECK:   scf.yield %[[SUM]], %[[KEPT]]
// CHECK: arith.addf %[[SUMS]], %[[REST]]
// CHECK: vector.reduction <add>
func.func @over_long_rows(%x: !layout.tensor<8 x 65536 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<8 x 1 x f32>
  schedule.stage @over_long_rows %o0 = kernel.reduce sum(%x) axes [1] plan {lanes 16}
  func.return
}
