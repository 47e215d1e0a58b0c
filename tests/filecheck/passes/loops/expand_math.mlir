// RUN: lamina-opt %s -p loops-expand-math | filecheck %s
// RUN: lamina-opt %s -p loops-expand-math{denormals=keep} | filecheck %s --check-prefix KEEP

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
//
// Where denormals are kept, it is multiplied in two factors.
// KEEP-LABEL: @exp
// KEEP: %[[BITS:.*]] = arith.bitcast %{{.*}} : f32 to i32
// KEEP: %[[COUNT:.*]] = arith.subi %[[BITS]], %{{.*}} : i32
// KEEP: %[[HALF:.*]] = arith.shrsi %[[COUNT]], %{{.*}} : i32
// KEEP: arith.subi %[[COUNT]], %[[HALF]] : i32
// KEEP: %[[FIRST:.*]] = arith.bitcast %{{.*}} : i32 to f32
// KEEP: %[[SECOND:.*]] = arith.bitcast %{{.*}} : i32 to f32
// KEEP: %[[NORMAL:.*]] = arith.mulf %{{.*}}, %[[FIRST]] : f32
// KEEP: arith.mulf %[[NORMAL]], %[[SECOND]] : f32
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

// A denormal argument that is kept is scaled before its exponent is looked at.
// CHECK-LABEL: @log
// CHECK-NEXT: arith.bitcast %x : f32 to i32
// KEEP-LABEL: @log
// KEEP: %[[SMALL:.*]] = arith.cmpf olt, %x, %{{.*}} : f32
// KEEP: %[[SCALED:.*]] = arith.mulf %x, %{{.*}} : f32
// KEEP: %[[NORMAL:.*]] = arith.select %[[SMALL]], %[[SCALED]], %x : f32
// KEEP: arith.bitcast %[[NORMAL]] : f32 to i32
func.func @log(%x: f32) -> f32 {
  %r = math.log %x : f32
  func.return %r : f32
}

// A quotient by one more than an exp is a product with the inverse exp where that one is too large for a number.
// CHECK-LABEL: @sigmoid
// CHECK: %[[SUM:.*]] = arith.addf %one, %{{.*}} : f32
// CHECK-NEXT: arith.divf %one, %[[SUM]] : f32
// KEEP-LABEL: @sigmoid
// KEEP: %[[IS_LARGE:.*]] = arith.cmpf ogt, %x, %{{.*}} : f32
// KEEP: %[[NUMERATOR:.*]] = arith.select %[[IS_LARGE]], %{{.*}}, %one : f32
// KEEP: arith.divf %[[NUMERATOR]], %{{.*}} : f32
func.func @sigmoid(%x: f32) -> f32 {
  %one = arith.constant 1.0 : f32
  %power = math.exp %x : f32
  %sum = arith.addf %one, %power : f32
  %r = arith.divf %one, %sum : f32
  func.return %r : f32
}
