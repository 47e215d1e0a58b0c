// RUN: lamina-opt %s | lamina-opt | filecheck %s

%a, %b, %sums = "test.op"() : () -> (vector<6x1xf32>, vector<1x64xf32>, vector<6x64xf32>)
// CHECK: %{{.*}} = vector.contract %{{.*}}, %{{.*}}, %{{.*}} : vector<6x1xf32>, vector<1x64xf32> into vector<6x64xf32>
%0 = vector.contract %a, %b, %sums : vector<6x1xf32>, vector<1x64xf32> into vector<6x64xf32>

// Columns in blocks, and a depth of 2.
%c, %d, %e = "test.op"() : () -> (vector<7x2xbf16>, vector<2x2x16xbf16>, vector<7x2x16xf32>)
// CHECK: %{{.*}} = vector.contract %{{.*}}, %{{.*}}, %{{.*}} : vector<7x2xbf16>, vector<2x2x16xbf16> into vector<7x2x16xf32>
%1 = vector.contract %c, %d, %e : vector<7x2xbf16>, vector<2x2x16xbf16> into vector<7x2x16xf32>

// Four products side by side, for an instruction that adds them at once.
%f, %g, %h = "test.op"() : () -> (vector<14x1x4xui8>, vector<1x32x4xi8>, vector<14x32xi32>)
// CHECK: %{{.*}} = vector.contract {atom = "vpdpbusd"} %{{.*}}, %{{.*}}, %{{.*}} : vector<14x1x4xui8>, vector<1x32x4xi8> into vector<14x32xi32>
%2 = vector.contract {atom = "vpdpbusd"} %f, %g, %h : vector<14x1x4xui8>, vector<1x32x4xi8> into vector<14x32xi32>
