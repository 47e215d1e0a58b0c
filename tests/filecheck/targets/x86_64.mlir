// RUN: lamina-opt %s --machine x86_64 -p lower-loops-to-llvm -t asm | filecheck %s

// The microkernel of the target's own register tile: the whole tile stays in registers.
// CHECK: gemm.body:
// SSE2 has no fused multiply-add: a product and a sum, on all accumulators in registers.
// CHECK: [[LOOP:.LBB.*]]:
// CHECK-NOT: (%rsp)
// CHECK-COUNT-8: mulps
// CHECK-NOT: (%rsp)
// CHECK: j{{[a-z]+}} [[LOOP]]
func.func @gemm(%a: memref<?xf32>, %b: memref<?xf32>, %c: memref<?xf32>, %k: index, %ldc: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %A = memref.reinterpret_cast %a to offset: [0], sizes: [512, 4], strides: [4, 1] : memref<?xf32> to memref<512x4xf32, strided<[4, 1]>>
  %At = memref.reinterpret_cast %a to offset: [0], sizes: [4, 512], strides: [1, 4] : memref<?xf32> to memref<4x512xf32, strided<[1, 4]>>
  %B = memref.reinterpret_cast %b to offset: [0], sizes: [512, 8], strides: [8, 1] : memref<?xf32> to memref<512x8xf32, strided<[8, 1]>>
  %C = memref.reinterpret_cast %c to offset: [0], sizes: [4, 8], strides: [%ldc, 1] : memref<?xf32> to memref<4x8xf32, strided<[?, 1]>>
  %z = arith.constant dense<0.0> : vector<4x8xf32>
  %r = scf.for %i = %c0 to %k step %c1 iter_args(%acc = %z) -> (vector<4x8xf32>) {
    %av = vector.load %At[%c0, %i] : memref<4x512xf32, strided<[1, 4]>>, vector<4x1xf32>
    %bv = vector.load %B[%i, %c0] : memref<512x8xf32, strided<[8, 1]>>, vector<8xf32>
    %ab = vector.broadcast %av : vector<4x1xf32> to vector<4x8xf32>
    %bb = vector.broadcast %bv : vector<8xf32> to vector<4x8xf32>
    %n = vector.fma %ab, %bb, %acc : vector<4x8xf32>
    scf.yield %n : vector<4x8xf32>
  } {lamina.unroll = 1 : index}
  vector.store %r, %C[%c0, %c0] : memref<4x8xf32, strided<[?, 1]>>, vector<4x8xf32>
  func.return
}
