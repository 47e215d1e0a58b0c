// RUN: lamina-opt %s | lamina-opt | filecheck %s

%memory, %i, %j = "test.op"() : () -> (memref<8x16xf32>, index, index)
// CHECK: memref.prefetch %{{.*}}[%{{.*}}, %{{.*}}], read, locality<2>, data : memref<8x16xf32>
memref.prefetch %memory[%i, %j], read, locality<2>, data : memref<8x16xf32>
// CHECK: memref.prefetch %{{.*}}[%{{.*}}, %{{.*}}], write, locality<3>, instr : memref<8x16xf32>
memref.prefetch %memory[%i, %j], write, locality<3>, instr : memref<8x16xf32>
