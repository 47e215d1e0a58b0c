// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// One index a row, read before the row is copied.
// CHECK-LABEL: func.func @gather_
// CHECK: scf.for
// CHECK: memref.reinterpret_cast %1
// CHECK: %[[INDEX:.*]] = memref.load {{.*}} : memref<1xi64
// CHECK: %[[PLACE:.*]] = arith.index_cast %[[INDEX]] : i64 to index
// Negative ones count from the end.
// CHECK: arith.cmpi slt, %[[PLACE]]
// CHECK: %[[WRAPPED:.*]] = arith.select
// One that leaves x is reported, and x[0] is read.
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %[[WRAPPED]]
// CHECK: scf.if %[[INSIDE]]
// CHECK-NEXT: scf.yield %[[WRAPPED]]
// CHECK: memref.store {{.*}} : memref<?xi64>
// CHECK: memref.store {{.*}} : memref<?xi64>
// CHECK: vector.load {{.*}}, vector<64xf32>
// CHECK: vector.store {{.*}}, vector<64xf32>
func.func @rows(%x: !layout.tensor<100 x 64 x f32>, %y: !layout.tensor<N x i64>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x 64 x f32>
  schedule.stage @rows %o0 = kernel.gather(%x, %y) axis 0 plan {lanes 16}
  func.return
}

// CHECK-LABEL: func.func @gather_elements_
// CHECK: memref.load {{.*}} : memref<1xi64
// CHECK: memref.load {{.*}} : memref<1xf32
// CHECK: vector.store {{.*}}, vector<1xf32>
func.func @elements(%x: !layout.tensor<5 x 7 x f32>, %y: !layout.tensor<5 x 3 x i64>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<5 x 3 x f32>
  schedule.stage @elements %o0 = kernel.gather_elements(%x, %y) axis 1 plan {lanes 16}
  func.return
}

// Positions of two numbers, each checked.
// CHECK-LABEL: func.func @gather_nd_
// CHECK: memref.load {{.*}} : memref<2xi64
// CHECK: memref.store {{.*}} : memref<?xi64>
// CHECK: memref.load {{.*}} : memref<2xi64
// CHECK: memref.store {{.*}} : memref<?xi64>
// CHECK: vector.load {{.*}}, vector<32xf32>
func.func @positions(%x: !layout.tensor<5 x 7 x 32 x f32>, %y: !layout.tensor<N x 2 x i64>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x 32 x f32>
  schedule.stage @positions %o0 = kernel.gather_nd(%x, %y) plan {lanes 16}
  func.return
}
