// RUN: lamina-opt %s --machine aarch64_neon -p lower-loops-to-llvm -t asm | filecheck %s

// The microkernel of the target's own register tile: the whole tile stays in registers.
// CHECK: gemm.body:
// Twenty-four accumulators; multiplies by a lane of the column of A.
// CHECK: [[LOOP:.LBB.*]]:
// CHECK-NOT: [sp
// CHECK-COUNT-24: fmla v{{.*}}.4s, v{{.*}}.4s, v{{.*}}
// CHECK-NOT: [sp
// CHECK: b.{{[a-z]+}} [[LOOP]]
func.func @gemm(%a: memref<?xf32>, %b: memref<?xf32>, %c: memref<?xf32>, %k: index, %ldc: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %A = memref.reinterpret_cast %a to offset: [0], sizes: [512, 8], strides: [8, 1] : memref<?xf32> to memref<512x8xf32, strided<[8, 1]>>
  %At = memref.reinterpret_cast %a to offset: [0], sizes: [8, 512], strides: [1, 8] : memref<?xf32> to memref<8x512xf32, strided<[1, 8]>>
  %B = memref.reinterpret_cast %b to offset: [0], sizes: [512, 12], strides: [12, 1] : memref<?xf32> to memref<512x12xf32, strided<[12, 1]>>
  %C = memref.reinterpret_cast %c to offset: [0], sizes: [8, 12], strides: [%ldc, 1] : memref<?xf32> to memref<8x12xf32, strided<[?, 1]>>
  %z = arith.constant dense<0.0> : vector<8x12xf32>
  %r = scf.for %i = %c0 to %k step %c1 iter_args(%acc = %z) -> (vector<8x12xf32>) {
    %av = vector.load %At[%c0, %i] : memref<8x512xf32, strided<[1, 8]>>, vector<8x1xf32>
    %bv = vector.load %B[%i, %c0] : memref<512x12xf32, strided<[12, 1]>>, vector<12xf32>
    %ab = vector.broadcast %av : vector<8x1xf32> to vector<8x12xf32>
    %bb = vector.broadcast %bv : vector<12xf32> to vector<8x12xf32>
    %n = vector.fma %ab, %bb, %acc : vector<8x12xf32>
    scf.yield %n : vector<8x12xf32>
  } {lamina.unroll = 1 : index}
  vector.store %r, %C[%c0, %c0] : memref<8x12xf32, strided<[?, 1]>>, vector<8x12xf32>
  func.return
}
