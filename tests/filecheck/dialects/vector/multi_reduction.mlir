// RUN: lamina-opt %s | lamina-opt | filecheck %s

%parts, %start = "test.op"() : () -> (vector<4x2x16xf32>, vector<4x2xf32>)
// CHECK: %{{.*}} = vector.multi_reduction <add>, %{{.*}}, %{{.*}} [2] : vector<4x2x16xf32> to vector<4x2xf32>
%0 = vector.multi_reduction <add>, %parts, %start [2] : vector<4x2x16xf32> to vector<4x2xf32>
