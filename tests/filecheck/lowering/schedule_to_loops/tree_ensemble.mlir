// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Tiles of rows go down each tree together; a look whether all have arrived comes after every third level. A row that is
// left over goes down 32 trees at a time, then 16, of which 8 count.
// CHECK-LABEL: func.func @tree_ensemble_
// CHECK: scf.forall
// CHECK: vector.store %{{.*}} : memref<1x64xf32, {{.*}}>, vector<32xf32>
// CHECK: scf.for {{.*}} -> (vector<32xi32>)
// CHECK: %[[WORD:.*]] = vectorx.gather %{{.*}}, %{{.*}} : memref<99xi32, {{.*}}>, vector<32xi32>
// CHECK: %[[THRESHOLD:.*]] = vectorx.gather %{{.*}} : memref<99xf32, {{.*}}>, vector<32xi32>
// CHECK: %[[FEATURE:.*]] = arith.andi %[[WORD]]
// CHECK: %[[PLACE:.*]] = arith.addi %[[FEATURE]]
// CHECK: %[[VALUE:.*]] = vectorx.gather %{{.*}}, %[[PLACE]]
// CHECK: vectorx.cmpf ole, %[[VALUE]], %[[THRESHOLD]]
// CHECK-NOT: vectorx.cmpf ogt
// CHECK: arith.shrui %[[WORD]]
// CHECK: vectorx.extui %{{.*}} : vector<32xi1> to vector<32xi32>
// CHECK: vector.reduction <or>
// CHECK: scf.if
// CHECK: vector.reduction <add>, %{{.*}} : vector<32xf32> into f32
// CHECK: vector.maskedload {{.*}} into vector<16xi32>
// CHECK: vector.reduction <add>, %{{.*}} : vector<16xf32> into f32
func.func @forest(%x: !layout.tensor<N x 4 x f32>, %t: !layout.tensor<99 x f32>, %i: !layout.tensor<99 x i32>, %w: !layout.tensor<99 x 1 x f32>, %r: !layout.tensor<1 x 40 x i32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x 1 x f32>
  schedule.stage @forest %o0 = kernel.tree_ensemble sum(%x, %t, %i, %w, %r) depth 6 feature_bits 2 plan {lanes 16, unroll 2, levels 3, tiles 2}
  func.return
}

// Where nodes test both ways, the sign of a word says which.
// CHECK-LABEL: func.func @tree_ensemble_
// CHECK: %[[WORD:.*]] = vectorx.gather %{{.*}} : memref<99xi32, {{.*}}>, vector<16xi32>
// CHECK: %[[AT_MOST:.*]] = vectorx.cmpf ole
// CHECK: %[[SIGN:.*]] = vectorx.cmpi slt, %[[WORD]]
// CHECK: %[[ABOVE:.*]] = vectorx.cmpf ogt
// CHECK: vectorx.select %[[SIGN]], %[[ABOVE]], %[[AT_MOST]]
// CHECK: vectorx.cmpf ogt
func.func @both_ways(%x: !layout.tensor<N x 4 x f32>, %t: !layout.tensor<99 x f32>, %i: !layout.tensor<99 x i32>, %w: !layout.tensor<99 x 1 x f32>, %r: !layout.tensor<1 x 40 x i32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x 1 x f32>
  schedule.stage @forest %o0 = kernel.tree_ensemble max(%x, %t, %i, %w, %r) depth 2 feature_bits 2 both_ways plan {lanes 16, unroll 1}
  func.return
}
