// RUN: lamina-opt %s | lamina-opt | filecheck %s

// CHECK:      %{{.*}} = llvmx.fcmp "olt" %{{.*}}, %{{.*}} : vector<4xf32> -> vector<4xi1>
// CHECK-NEXT: %{{.*}} = llvmx.select %{{.*}}, %{{.*}}, %{{.*}} : vector<4xi1>, vector<4xf32>
// CHECK-NEXT: %{{.*}} = llvmx.splat %{{.*}} : f32 to vector<4xf32>
// CHECK-NEXT: %{{.*}} = llvmx.extractelement %{{.*}}[1 : i64] : vector<4xf32> -> f32
// CHECK-NEXT: %{{.*}} = llvmx.insertelement %{{.*}}, %{{.*}}[3 : i64] : f32, vector<4xf32>
// CHECK-NEXT: %{{.*}} = llvmx.poison : vector<4xf32>
// CHECK-NEXT: %{{.*}} = llvmx.fptosi %{{.*}} : vector<4xf32> to vector<4xi32>
// CHECK-NEXT: %{{.*}} = llvmx.fptoui %{{.*}} : vector<4xf32> to vector<4xi8>
// CHECK-NEXT: %{{.*}} = llvmx.uitofp %{{.*}} : vector<4xi32> to vector<4xf32>
// CHECK:      %{{.*}} = llvmx.element_pointers %{{.*}}[%{{.*}}] of f32 : !llvm.ptr, vector<4xi32> -> vector<4x!llvm.ptr>
%a, %b = "test.op"() : () -> (vector<4xf32>, f32)
%0 = llvmx.fcmp "olt" %a, %a : vector<4xf32> -> vector<4xi1>
%1 = llvmx.select %0, %a, %a : vector<4xi1>, vector<4xf32>
%2 = llvmx.splat %b : f32 to vector<4xf32>
%3 = llvmx.extractelement %a[1 : i64] : vector<4xf32> -> f32
%4 = llvmx.insertelement %b, %a[3 : i64] : f32, vector<4xf32>
%5 = llvmx.poison : vector<4xf32>
%6 = llvmx.fptosi %a : vector<4xf32> to vector<4xi32>
%7 = llvmx.fptoui %a : vector<4xf32> to vector<4xi8>
%8 = llvmx.uitofp %6 : vector<4xi32> to vector<4xf32>
%p = "test.op"() : () -> !llvm.ptr
%9 = llvmx.element_pointers %p[%6] of f32 : !llvm.ptr, vector<4xi32> -> vector<4x!llvm.ptr>
