// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

%a, %m = "test.op"() : () -> (vector<6x64xf32>, vector<64xi1>)
// CHECK: condition vector<64xi1> and result vector<6x64xf32> differ in shape
%0 = vectorx.select %m, %a, %a : vector<64xi1>, vector<6x64xf32>

// -----

%a = "test.op"() : () -> vector<6x64xf32>
// CHECK: C1: vector<6x64xf32> and vector<64xi32> differ in shape
%0 = vectorx.fptosi %a : vector<6x64xf32> to vector<64xi32>

// -----

%a = "test.op"() : () -> vector<16xi32>
// CHECK: C1: no atom 'smmla' multiplies lane by lane
%0 = vectorx.dot "smmla" %a, %a, %a : vector<16xi32> into vector<16xi32>

// -----

%a, %b = "test.op"() : () -> (vector<64xi8>, vector<16xi32>)
// CHECK: C2: words vector<64xi8> for sums vector<16xi32>, expected 32 bits for each
%0 = vectorx.dot "vpdpbusd" %a, %a, %b : vector<64xi8> into vector<16xi32>

// -----

%a, %b = "test.op"() : () -> (vector<16xi32>, vector<16xf32>)
// CHECK: C2: sums of f32, and those of vpdpbusd are i32
%0 = vectorx.dot "vpdpbusd" %a, %a, %b : vector<16xi32> into vector<16xf32>

// -----

%a, %b = "test.op"() : () -> (memref<?xf32>, vector<16xi8>)
// CHECK: C1: memref<?xf32> at vector<16xi8>, expected one dimension, and i32 or i64
%0 = vectorx.gather %a, %b : memref<?xf32>, vector<16xi8>

// -----

%a = "test.op"() : () -> vector<16xi8>
// CHECK: C1: expected bytes and the 512 hexadecimal digits of a table of 256
%0 = vectorx.byte_table %a, "00ff" : vector<16xi8>
