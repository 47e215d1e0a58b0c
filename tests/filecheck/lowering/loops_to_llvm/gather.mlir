// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512},llvm-check-bounds' | filecheck %s --check-prefix CHECKED

// 17 places are a vector of 16 and a scalar.
// CHECK: %[[POINTERS:.*]] = llvmx.element_pointers %[[X:.*]][%{{.*}}] of f32 : !llvm.ptr, vector<16xi32> -> vector<16x!llvm.ptr>
// CHECK: llvm.call_intrinsic "llvm.masked.gather.v16f32.v16p0"(%[[POINTERS]],
// CHECK: %[[LAST:.*]] = llvm.sext %{{.*}} : i32 to i64
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[X]][%[[LAST]]]
// CHECK: llvm.load %[[PLACE]] {{.*}} -> f32

// Lanes that would read elsewhere are switched off, and told of.
// CHECKED: %[[POINTERS:.*]] = llvmx.element_pointers
// CHECKED: %[[PLACES:.*]] = llvm.sext %{{.*}} : vector<16xi32> to vector<16xi64>
// CHECKED: %[[OFFSETS:.*]] = llvm.mul %[[PLACES]]
// CHECKED: %[[AT:.*]] = llvm.add %{{.*}}, %[[OFFSETS]]
// CHECKED: %[[BEGINS:.*]] = llvm.icmp "ult" %[[AT]]
// CHECKED: %[[INSIDE:.*]] = llvm.and %[[BEGINS]]
// CHECKED: "llvm.vector.reduce.umax.v16i64"
// CHECKED: llvm.store
// CHECKED: "llvm.masked.gather.v16f32.v16p0"(%[[POINTERS]], %{{.*}}, %[[INSIDE]],
func.func @gather(%x: memref<?xf32>, %p: memref<?xi32>, %y: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %places = vector.load %p[%c0] : memref<?xi32>, vector<17xi32>
  %v = vectorx.gather %x, %places : memref<?xf32>, vector<17xi32>
  vector.store %v, %y[%c0] : memref<?xf32>, vector<17xf32>
  func.return
}
