// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s --check-prefixes CHECK,AVX512
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx2}' | filecheck %s --check-prefixes CHECK,AVX2
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=x86_64}' | filecheck %s --check-prefixes CHECK,SSE2

// Each row's element is splat once and multiplied with every piece of the columns.
// CHECK-LABEL: @floats.body
// AVX512-COUNT-2: llvmx.splat %{{.*}} : f32 to vector<16xf32>
// AVX512-COUNT-4: llvm.call_intrinsic "llvm.fma.v16f32"
// AVX2-COUNT-8: llvm.call_intrinsic "llvm.fma.v8f32"
// SSE2-COUNT-16: llvm.fadd
// CHECK: llvm.store
func.func @floats(%x: memref<?xf32>, %y: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %v = memref.reinterpret_cast %x to offset: [0], sizes: [2, 1], strides: [64, 1] : memref<?xf32> to memref<2x1xf32, strided<[64, 1]>>
  %w = memref.reinterpret_cast %x to offset: [256], sizes: [1, 32], strides: [32, 1] : memref<?xf32> to memref<1x32xf32, strided<[32, 1], offset: 256>>
  %u = memref.reinterpret_cast %y to offset: [0], sizes: [2, 32], strides: [32, 1] : memref<?xf32> to memref<2x32xf32, strided<[32, 1]>>
  %a = vector.load %v[%c0, %c0] : memref<2x1xf32, strided<[64, 1]>>, vector<2x1xf32>
  %b = vector.load %w[%c0, %c0] : memref<1x32xf32, strided<[32, 1], offset: 256>>, vector<1x32xf32>
  %sums = vector.load %u[%c0, %c0] : memref<2x32xf32, strided<[32, 1]>>, vector<2x32xf32>
  %r = vector.contract %a, %b, %sums : vector<2x1xf32>, vector<1x32xf32> into vector<2x32xf32>
  vector.store %r, %u[%c0, %c0] : memref<2x32xf32, strided<[32, 1]>>, vector<2x32xf32>
  func.return
}

// Integers are widened to the sums' type first, each by its sign.
// CHECK-LABEL: @integers.body
// CHECK: llvm.zext %{{.*}} : i8 to i32
// AVX512: llvm.sext %{{.*}} : vector<16xi8> to vector<16xi32>
// AVX2-COUNT-2: llvm.sext %{{.*}} : vector<8xi8> to vector<8xi32>
// AVX512: llvm.mul %{{.*}} : vector<16xi32>
// AVX512: llvm.add %{{.*}} : vector<16xi32>
func.func @integers(%x: memref<?xui8>, %z: memref<?xi8>, %y: memref<?xi32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %v = memref.reinterpret_cast %x to offset: [0], sizes: [1, 1], strides: [1, 1] : memref<?xui8> to memref<1x1xui8, strided<[1, 1]>>
  %w = memref.reinterpret_cast %z to offset: [0], sizes: [1, 16], strides: [16, 1] : memref<?xi8> to memref<1x16xi8, strided<[16, 1]>>
  %u = memref.reinterpret_cast %y to offset: [0], sizes: [1, 16], strides: [16, 1] : memref<?xi32> to memref<1x16xi32, strided<[16, 1]>>
  %a = vector.load %v[%c0, %c0] : memref<1x1xui8, strided<[1, 1]>>, vector<1x1xui8>
  %b = vector.load %w[%c0, %c0] : memref<1x16xi8, strided<[16, 1]>>, vector<1x16xi8>
  %sums = vector.load %u[%c0, %c0] : memref<1x16xi32, strided<[16, 1]>>, vector<1x16xi32>
  %r = vector.contract %a, %b, %sums : vector<1x1xui8>, vector<1x16xi8> into vector<1x16xi32>
  vector.store %r, %u[%c0, %c0] : memref<1x16xi32, strided<[16, 1]>>, vector<1x16xi32>
  func.return
}
