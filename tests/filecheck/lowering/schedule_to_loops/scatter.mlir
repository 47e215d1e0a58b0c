// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// One index for a row: each thread has its columns, which no index crosses.
// CHECK-LABEL: func.func @scatter_nd_
// CHECK: scf.forall (%{{.*}}) in (%threads)
// CHECK: vector.load {{.*}}, vector<64xf32>
// CHECK: vector.store {{.*}}, vector<64xf32>
// CHECK: %[[INDEX:.*]] = memref.load {{.*}} : memref<1xi64
// CHECK: %[[PLACE:.*]] = arith.index_cast %[[INDEX]] : i64 to index
// One that leaves x is reported.
// CHECK: arith.cmpi ult
// CHECK: memref.store {{.*}} : memref<?xi64>
// CHECK: arith.addf {{.*}} : vector<64xf32>
// CHECK: vector.store {{.*}}, vector<64xf32>
func.func @rows(%x: !layout.tensor<100 x 64 x f32>, %i: !layout.tensor<N x 1 x i64>, %u: !layout.tensor<N x 64 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<100 x 64 x f32>
  schedule.stage @rows %o0 = kernel.scatter_nd add(%x, %i, %u) plan {lanes 16}
  func.return
}

// An index an element, into copies of one element; places without updates are passed over.
// CHECK-LABEL: func.func @scatter_elements_
// CHECK: scf.forall (%[[ROW:.*]]) in (5)
// CHECK: vector.broadcast {{.*}} : f32 to vector<16xf32>
// CHECK: arith.cmpi slt, %[[ROW]]
// CHECK: scf.if
// CHECK: memref.load {{.*}} : memref<1xi64
// CHECK: vector.store {{.*}}, vector<1xf32>
func.func @elements(%x: !layout.tensor<1 x f32>, %i: !layout.tensor<4 x 3 x i64>, %u: !layout.tensor<4 x 3 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<5 x 7 x f32>
  schedule.stage @elements %o0 = kernel.scatter_elements(%x, %i, %u) axis 1 plan {lanes 16}
  func.return
}
