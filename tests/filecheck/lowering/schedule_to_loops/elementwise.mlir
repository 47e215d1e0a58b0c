// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// One layout all over: one long row of vectors, four at a time, and two for the rest.
// CHECK-LABEL: func.func @map_
// CHECK: scf.for
// CHECK: %[[LEFT:.*]] = vector.load {{.*}}, vector<64xf32>
// CHECK: %[[RIGHT:.*]] = vector.load {{.*}}, vector<64xf32>
// CHECK: %[[SUM:.*]] = arith.addf %[[LEFT]], %[[RIGHT]] : vector<64xf32>
// CHECK: %[[RELU:.*]] = arith.maximumf %[[SUM]], %{{.*}} : vector<64xf32>
// CHECK: vector.store %[[RELU]], {{.*}}, vector<64xf32>
// CHECK: vector.store {{.*}}, vector<32xf32>
// CHECK-NOT: vector.store
func.func @same_layout(%x: !layout.tensor<1 x 32 x 7 x 7 x f32, NCHW16c>, %y: !layout.tensor<1 x 32 x 7 x 7 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 32 x 7 x 7 x f32, NCHW16c>
  schedule.stage @same_layout %o0 = kernel.map(%x, %y) plan {lanes 16} each(%p, %q) {%zero = arith.constant 0.0 : f32, %sum = arith.addf %p, %q : f32, %relu = arith.maximumf %sum, %zero : f32}
  func.return
}

// One bias a channel: loaded once for all pixels of a block, of which a tile takes four.
// CHECK-LABEL: func.func @map_
// CHECK: %[[BIAS:.*]] = vector.load {{.*}}, vector<16xf32>
// CHECK: scf.for
// CHECK: vector.load {{.*}}, vector<4x16xf32>
// CHECK: vector.broadcast %[[BIAS]] : vector<16xf32> to vector<4x16xf32>
// CHECK: vector.store {{.*}}, vector<4x16xf32>
// The 49th pixel.
// CHECK: vector.store {{.*}}, vector<16xf32>
// CHECK-NOT: vector.store
func.func @channel_bias(%x: !layout.tensor<2 x 32 x 7 x 7 x f32, NCHW16c>, %y: !layout.tensor<32 x 1 x 1 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<2 x 32 x 7 x 7 x f32, NCHW16c>
  schedule.stage @channel_bias %o0 = kernel.map(%x, %y) plan {lanes 16} each(%p, %q) {%zero = arith.constant 0.0 : f32, %sum = arith.addf %p, %q : f32, %relu = arith.maximumf %sum, %zero : f32}
  func.return
}

// Rows of 7 are masked; of an unknown number of rows a tile takes four, then one.
// CHECK-LABEL: func.func @map_
// CHECK-SAME: %N: index
// CHECK: vector.maskedload
// CHECK: scf.for
// CHECK: vector.transfer_read {{.*}}, vector<4x16xf32>
// CHECK: vector.transfer_write {{.*}} : vector<4x16xf32>
// CHECK: scf.for
// CHECK: vector.maskedstore {{.*}} vector<16xf32>
func.func @symbolic(%x: !layout.tensor<N x 7 x f32>, %y: !layout.tensor<7 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x 7 x f32>
  schedule.stage @symbolic %o0 = kernel.map(%x, %y) plan {lanes 16} each(%p, %q) {%zero = arith.constant 0.0 : f32, %sum = arith.addf %p, %q : f32, %relu = arith.maximumf %sum, %zero : f32}
  func.return
}
