// RUN: lamina-opt %s | lamina-opt | filecheck %s

// CHECK:      %{{.*}} = vectorx.cmpf olt, %{{.*}}, %{{.*}} : vector<6x64xf32>
// CHECK-NEXT: %{{.*}} = vectorx.select %{{.*}}, %{{.*}}, %{{.*}} : vector<6x64xi1>, vector<6x64xf32>
// CHECK-NEXT: %{{.*}} = vectorx.fptosi %{{.*}} : vector<6x64xf32> to vector<6x64xi32>
// CHECK-NEXT: %{{.*}} = vectorx.fptoui %{{.*}} : vector<6x64xf32> to vector<6x64xi8>
// CHECK-NEXT: %{{.*}} = vectorx.cmpi slt, %{{.*}}, %{{.*}} : vector<6x64xi32>
// CHECK-NEXT: %{{.*}} = vectorx.sitofp %{{.*}} : vector<6x64xi32> to vector<6x64xf32>
// CHECK-NEXT: %{{.*}} = vectorx.uitofp %{{.*}} : vector<6x64xi8> to vector<6x64xf32>
// CHECK-NEXT: %{{.*}} = vectorx.extsi %{{.*}} : vector<6x64xi8> to vector<6x64xi32>
// CHECK-NEXT: %{{.*}} = vectorx.extui %{{.*}} : vector<6x64xi8> to vector<6x64xi32>
// CHECK-NEXT: %{{.*}} = vectorx.trunci %{{.*}} : vector<6x64xi32> to vector<6x64xi8>
// CHECK-NEXT: %{{.*}} = vectorx.index_cast %{{.*}} : vector<6x64xi32> to vector<6x64xindex>
%a = "test.op"() : () -> vector<6x64xf32>
%0 = vectorx.cmpf olt, %a, %a : vector<6x64xf32>
%1 = vectorx.select %0, %a, %a : vector<6x64xi1>, vector<6x64xf32>
%2 = vectorx.fptosi %a : vector<6x64xf32> to vector<6x64xi32>
%3 = vectorx.fptoui %a : vector<6x64xf32> to vector<6x64xi8>
%4 = vectorx.cmpi slt, %2, %2 : vector<6x64xi32>
%5 = vectorx.sitofp %2 : vector<6x64xi32> to vector<6x64xf32>
%6 = vectorx.uitofp %3 : vector<6x64xi8> to vector<6x64xf32>
%7 = vectorx.extsi %3 : vector<6x64xi8> to vector<6x64xi32>
%8 = vectorx.extui %3 : vector<6x64xi8> to vector<6x64xi32>
%9 = vectorx.trunci %2 : vector<6x64xi32> to vector<6x64xi8>
%10 = vectorx.index_cast %2 : vector<6x64xi32> to vector<6x64xindex>
