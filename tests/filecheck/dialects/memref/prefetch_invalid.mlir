// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

%memory, %i = "test.op"() : () -> (memref<8x16xf32>, index)
// CHECK: C1: 1 indices of 2 dimensions
memref.prefetch %memory[%i], read, locality<2>, data : memref<8x16xf32>

// -----

%memory, %i = "test.op"() : () -> (memref<8xf32>, index)
// CHECK: C2: locality 4 is none of 0 to 3
memref.prefetch %memory[%i], read, locality<4>, data : memref<8xf32>
