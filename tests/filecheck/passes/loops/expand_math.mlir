// RUN: lamina-opt %s -p loops-expand-math | filecheck %s

// tanh: a clamp, two polynomials in the square, a division, a clamp; on whole tiles.
// CHECK-LABEL: @tanh
// CHECK-NOT: math.tanh
// CHECK: %[[LOW:.*]] = arith.maximumf %x, %{{.*}} : vector<6x64xf32>
// CHECK: %[[X:.*]] = arith.minimumf %[[LOW]], %{{.*}} : vector<6x64xf32>
// CHECK: %[[SQUARE:.*]] = arith.mulf %[[X]], %[[X]] : vector<6x64xf32>
// CHECK-COUNT-9: math.fma %{{.*}}, %[[SQUARE]], %{{.*}} : vector<6x64xf32>
// CHECK: arith.divf
// CHECK: arith.maximumf
// CHECK: %[[R:.*]] = arith.minimumf
// CHECK: func.return %[[R]]
func.func @tanh(%x: vector<6x64xf32>) -> vector<6x64xf32> {
  %r = math.tanh %x : vector<6x64xf32>
  func.return %r : vector<6x64xf32>
}

// exp: the power of two is put together from bits, on scalars as well.
// CHECK-LABEL: @exp
// CHECK-NOT: math.exp
// CHECK: math.fma %{{.*}} : f32
// CHECK: arith.bitcast %{{.*}} : f32 to i32
// CHECK: arith.shli %{{.*}} : i32
// CHECK: arith.bitcast %{{.*}} : i32 to f32
func.func @exp(%x: f32) -> f32 {
  %r = math.exp %x : f32
  func.return %r : f32
}

// Narrow floats are computed in f32.
// CHECK-LABEL: @narrow
// CHECK: arith.extf %x : vector<16xf16> to vector<16xf32>
// CHECK-NOT: math.erf
// CHECK: arith.truncf %{{.*}} : vector<16xf32> to vector<16xf16>
func.func @narrow(%x: vector<16xf16>) -> vector<16xf16> {
  %r = math.erf %x : vector<16xf16>
  func.return %r : vector<16xf16>
}

// A small constant power is a product.
// CHECK-LABEL: @cube
// CHECK: %[[S:.*]] = arith.mulf %x, %x : vector<8xf32>
// CHECK-NEXT: %[[C:.*]] = arith.mulf %[[S]], %x : vector<8xf32>
// CHECK-NEXT: func.return %[[C]]
func.func @cube(%x: vector<8xf32>) -> vector<8xf32> {
  %n = arith.constant dense<3.0> : vector<8xf32>
  %r = math.powf %x, %n : vector<8xf32>
  func.return %r : vector<8xf32>
}

// What machines have stays.
// CHECK-LABEL: @roots
// CHECK: math.sqrt
func.func @roots(%x: vector<8xf32>) -> vector<8xf32> {
  %r = math.sqrt %x : vector<8xf32>
  func.return %r : vector<8xf32>
}

// Large arguments are reduced by the digits of 2 / pi, if any lane has one.
// CHECK-LABEL: @sin
// CHECK: %[[LARGE:.*]] = vectorx.cmpf oge, %{{.*}}, %{{.*}} : vector<16xf32>
// CHECK: %[[ANY:.*]] = vector.reduction <or>, %[[LARGE]]
// CHECK: scf.if %[[ANY]] -> (vector<16xf32>, vector<16xi32>) {
// CHECK: arith.muli %{{.*}} : vector<16xi64>
// CHECK: } else {
func.func @sin(%x: vector<16xf32>) -> vector<16xf32> {
  %r = math.sin %x : vector<16xf32>
  func.return %r : vector<16xf32>
}

// A remainder is taken in f64, in a loop where the quotient is large.
// CHECK-LABEL: @remainder
// CHECK: %[[FAR:.*]] = arith.cmpf oge, %{{.*}}, %{{.*}} : f64
// CHECK: scf.if %[[FAR]] -> (f64) {
// CHECK: scf.for
// CHECK: } else {
// CHECK: math.trunc %{{.*}} : f64
func.func @remainder(%x: f32, %y: f32) -> f32 {
  %r = vectorx.remf %x, %y : f32
  func.return %r : f32
}
