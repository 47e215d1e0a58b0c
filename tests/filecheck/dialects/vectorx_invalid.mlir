// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

%a, %m = "test.op"() : () -> (vector<6x64xf32>, vector<64xi1>)
// CHECK: condition vector<64xi1> and result vector<6x64xf32> differ in shape
%0 = vectorx.select %m, %a, %a : vector<64xi1>, vector<6x64xf32>

// -----

%a = "test.op"() : () -> vector<6x64xf32>
// CHECK: C1: vector<6x64xf32> and vector<64xi32> differ in shape
%0 = vectorx.fptosi %a : vector<6x64xf32> to vector<64xi32>
