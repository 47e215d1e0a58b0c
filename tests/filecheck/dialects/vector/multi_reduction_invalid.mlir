// RUN: lamina-opt %s --split-input-file --parsing-diagnostics --verify-diagnostics | filecheck %s

%parts, %start = "test.op"() : () -> (vector<4x2x16xf32>, vector<4xf32>)
// CHECK: C1: the last dimension of vector<4x2x16xf32> does not reduce to vector<4xf32>
%0 = vector.multi_reduction <add>, %parts, %start [2] : vector<4x2x16xf32> to vector<4xf32>

// -----

%parts, %start = "test.op"() : () -> (vector<4x16xf16>, vector<4xf32>)
// CHECK: C2: elements of vector<4x16xf16> are combined with those of vector<4xf32> to vector<4xf32>
%0 = vector.multi_reduction <add>, %parts, %start [1] : vector<4x16xf16> to vector<4xf32>

// -----

%parts, %start = "test.op"() : () -> (vector<4x16xf32>, vector<16xf32>)
// CHECK: expected the last dimension of vector<4x16xf32>, not [0]
%0 = vector.multi_reduction <add>, %parts, %start [0] : vector<4x16xf32> to vector<16xf32>

// -----

%parts, %start = "test.op"() : () -> (vector<4x16xf32>, vector<4xf32>)
// CHECK: 'plus' is no way to combine elements: add, mul, maximumf ...
%0 = vector.multi_reduction <plus>, %parts, %start [1] : vector<4x16xf32> to vector<4xf32>
