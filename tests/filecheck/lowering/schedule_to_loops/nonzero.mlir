// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Lanes count, and are added up at the end.
// CHECK-LABEL: func.func @count_nonzero_
// CHECK: vectorx.cmpi ne
// CHECK: vector.reduction <add>, {{.*}} : vector<16xi64> into i64
func.func @count(%x: !layout.tensor<N x 10 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x i64>
  schedule.stage @count %o0 = kernel.count_nonzero(%x) plan {lanes 16}
  func.return
}

// Positions are noted, flat, before they are taken apart along the axes.
// CHECK-LABEL: func.func @nonzero_
// CHECK: vector.reduction <or>
// CHECK: scf.if
// CHECK: memref.store {{.*}} : memref<2049xi32
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK: memref.store {{.*}} : memref<?xi64>
func.func @positions(%x: !layout.tensor<N x 10 x i1>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<2 x found x i64>
  schedule.stage @positions %o0 = kernel.nonzero(%x) plan {lanes 16}
  func.return
}
