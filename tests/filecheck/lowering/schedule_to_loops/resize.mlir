// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// By a whole factor: each pixel of x is stored twice along each axis.
// CHECK-LABEL: func.func @resize_
// CHECK: %[[PIXEL:.*]] = vector.load {{.*}}, vector<16xf32>
// CHECK: %[[COPIES:.*]] = vector.broadcast %[[PIXEL]] : vector<16xf32> to vector<2x16xf32>
// CHECK: vector.store %[[COPIES]], {{.*}}, vector<2x16xf32>
func.func @twice(%x: !layout.tensor<1 x 16 x 4 x 4 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 16 x 8 x 8 x f32, NCHW16c>
  schedule.stage @twice %o0 = kernel.resize(%x) coordinates asymmetric rounding floor plan {lanes 16}
  func.return
}

// By any other: the coordinate in x is computed, rounded and clamped.
// CHECK-LABEL: func.func @resize_
// CHECK: math.ceil
// CHECK: arith.fptosi
// CHECK: arith.minsi
// CHECK: arith.maxsi
// CHECK: vector.load {{.*}}, vector<16xf32>
// CHECK: vector.store {{.*}}, vector<16xf32>
func.func @any_factor(%x: !layout.tensor<1 x 16 x 4 x 4 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 16 x 4 x 7 x f32, NCHW16c>
  schedule.stage @any_factor %o0 = kernel.resize(%x) plan {lanes 16}
  func.return
}

// Linear: two neighbours along the one axis that changes.
// CHECK-LABEL: func.func @resize_
// CHECK: math.floor
// CHECK-COUNT-2: vector.load {{.*}}, vector<16xf32>
// CHECK: vector.fma {{.*}} : vector<16xf32>
// CHECK-NOT: vector.load
func.func @between(%x: !layout.tensor<1 x 16 x 4 x 4 x f32, NCHW16c>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 16 x 4 x 8 x f32, NCHW16c>
  schedule.stage @between %o0 = kernel.resize linear(%x) plan {lanes 16}
  func.return
}
