// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

%a = "test.op"() : () -> vector<4xf32>
// CHECK: vector<4xf32> and vector<8xi1> differ in lanes
%0 = llvmx.fcmp "olt" %a, %a : vector<4xf32> -> vector<8xi1>

// -----

%a = "test.op"() : () -> vector<4xf32>
// CHECK: 'lt' is no predicate of fcmp
%0 = llvmx.fcmp "lt" %a, %a : vector<4xf32> -> vector<4xi1>

// -----

%a = "test.op"() : () -> vector<4xf32>
// CHECK: position 4 is outside of vector<4xf32>
%0 = llvmx.extractelement %a[4 : i64] : vector<4xf32> -> f32

// -----

%a, %b = "test.op"() : () -> (vector<4xf32>, f32)
// CHECK: position -1 is outside of vector<4xf32>
%0 = llvmx.insertelement %b, %a[-1 : i64] : f32, vector<4xf32>

// -----

%a = "test.op"() : () -> vector<4xf32>
// CHECK: vector<4xf32> and vector<8xi32> differ in lanes
%0 = llvmx.fptosi %a : vector<4xf32> to vector<8xi32>
