// RUN: lamina-opt %s --machine avx2 -p lower-loops-to-llvm -t asm | filecheck %s

// The microkernel of the target's own register tile: the whole tile stays in registers.
// CHECK: gemm.body:
// Twelve accumulators, two registers of B, and broadcasts.
// CHECK: [[LOOP:.LBB.*]]:
// CHECK-NOT: (%rsp)
// CHECK-COUNT-6: vbroadcastss {{.*}}, %ymm
// CHECK-NOT: (%rsp)
// CHECK: j{{[a-z]+}} [[LOOP]]
func.func @gemm(%a: memref<?xf32>, %b: memref<?xf32>, %c: memref<?xf32>, %k: index, %ldc: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %A = memref.reinterpret_cast %a to offset: [0], sizes: [512, 6], strides: [6, 1] : memref<?xf32> to memref<512x6xf32, strided<[6, 1]>>
  %At = memref.reinterpret_cast %a to offset: [0], sizes: [6, 512], strides: [1, 6] : memref<?xf32> to memref<6x512xf32, strided<[1, 6]>>
  %B = memref.reinterpret_cast %b to offset: [0], sizes: [512, 16], strides: [16, 1] : memref<?xf32> to memref<512x16xf32, strided<[16, 1]>>
  %C = memref.reinterpret_cast %c to offset: [0], sizes: [6, 16], strides: [%ldc, 1] : memref<?xf32> to memref<6x16xf32, strided<[?, 1]>>
  %z = arith.constant dense<0.0> : vector<6x16xf32>
  %r = scf.for %i = %c0 to %k step %c1 iter_args(%acc = %z) -> (vector<6x16xf32>) {
    %av = vector.load %At[%c0, %i] : memref<6x512xf32, strided<[1, 6]>>, vector<6x1xf32>
    %bv = vector.load %B[%i, %c0] : memref<512x16xf32, strided<[16, 1]>>, vector<16xf32>
    %ab = vector.broadcast %av : vector<6x1xf32> to vector<6x16xf32>
    %bb = vector.broadcast %bv : vector<16xf32> to vector<6x16xf32>
    %n = vector.fma %ab, %bb, %acc : vector<6x16xf32>
    scf.yield %n : vector<6x16xf32>
  } {lamina.unroll = 1 : index}
  vector.store %r, %C[%c0, %c0] : memref<6x16xf32, strided<[?, 1]>>, vector<6x16xf32>
  func.return
}
