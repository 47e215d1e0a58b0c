// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

%a, %b, %sums = "test.op"() : () -> (vector<6x1xf32>, vector<1x32xf32>, vector<6x64xf32>)
// CHECK: C1: vector<6x1xf32> times vector<1x32xf32> does not give vector<6x64xf32>
%0 = vector.contract %a, %b, %sums : vector<6x1xf32>, vector<1x32xf32> into vector<6x64xf32>

// -----

%a, %b, %sums = "test.op"() : () -> (vector<6x1x4xi8>, vector<1x64xi8>, vector<6x64xi32>)
// CHECK: C1: vector<6x1x4xi8> times vector<1x64xi8> does not give vector<6x64xi32>
%0 = vector.contract %a, %b, %sums : vector<6x1x4xi8>, vector<1x64xi8> into vector<6x64xi32>

// -----

%a, %b, %sums = "test.op"() : () -> (vector<6x1xi8>, vector<1x64xi8>, vector<6x64xf32>)
// CHECK: C2: sums of f32 of products of i8 and i8
%0 = vector.contract %a, %b, %sums : vector<6x1xi8>, vector<1x64xi8> into vector<6x64xf32>

// -----

%a, %b, %sums = "test.op"() : () -> (vector<6x1xf64>, vector<1x64xf64>, vector<6x64xf32>)
// CHECK: C2: sums of f32 are narrower than f64 and f64
%0 = vector.contract %a, %b, %sums : vector<6x1xf64>, vector<1x64xf64> into vector<6x64xf32>
