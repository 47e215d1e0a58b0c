// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s --check-prefixes CHECK,AVX512
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx2}' | filecheck %s --check-prefixes CHECK,AVX2

// Four rows are halved together: of three additions two are of half of two rows each, then one of all; two more halve all
// four rows at once.
// CHECK-LABEL: @rows.body
// AVX512-COUNT-3: llvm.fadd %{{.*}} : vector<16xf32>
// AVX512: llvm.fadd %{{.*}} : vector<8xf32>
// AVX512-NEXT: llvm.shufflevector
// AVX512-NEXT: llvm.shufflevector
// AVX512-NEXT: llvm.fadd %{{.*}} : vector<4xf32>
// AVX2-COUNT-7: llvm.fadd %{{.*}} : vector<8xf32>
// AVX2: llvm.fadd %{{.*}} : vector<4xf32>
// The start comes last.
// CHECK-NEXT: llvm.fadd %{{.*}} : vector<4xf32>
// CHECK-NEXT: llvm.store
func.func @rows(%x: memref<?xf32>, %y: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %v = memref.reinterpret_cast %x to offset: [0], sizes: [4, 16], strides: [16, 1] : memref<?xf32> to memref<4x16xf32, strided<[16, 1]>>
  %u = memref.reinterpret_cast %y to offset: [0], sizes: [4], strides: [1] : memref<?xf32> to memref<4xf32, strided<[1]>>
  %parts = vector.load %v[%c0, %c0] : memref<4x16xf32, strided<[16, 1]>>, vector<4x16xf32>
  %start = vector.load %u[%c0] : memref<4xf32, strided<[1]>>, vector<4xf32>
  %r = vector.multi_reduction <add>, %parts, %start [1] : vector<4x16xf32> to vector<4xf32>
  vector.store %r, %u[%c0] : memref<4xf32, strided<[1]>>, vector<4xf32>
  func.return
}
