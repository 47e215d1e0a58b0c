// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s

// A kernel's entry reads the table of slots and calls the body, whose memrefs do not alias.
// CHECK: llvm.func internal @gemm.body(%[[A:.*]]: !llvm.ptr {llvm.noalias}, %[[B:.*]]: !llvm.ptr {llvm.noalias}, %[[C:.*]]: !llvm.ptr, %[[K:.*]]: i64, %{{.*}}: i64, %{{.*}}: i64)
// Constants stand first; the tile of zeros is one constant, shared by its four pieces.
// CHECK: %[[ZERO:.*]] = llvm.mlir.constant(dense<{{0.*}}> : vector<16xf32>) : vector<16xf32>
// An unknown trip count is tested once, then at the end of the loop.
// CHECK: llvm.cond_br %{{.*}}, ^[[BEFORE:.*]], ^[[AFTER:.*]](%[[ZERO]], %[[ZERO]], %[[ZERO]], %[[ZERO]]
// CHECK: ^[[BODY:.*]](%[[I:.*]]: i64, %[[T0:.*]]: vector<16xf32>, %[[T1:.*]]: vector<16xf32>, %[[T2:.*]]: vector<16xf32>, %[[T3:.*]]: vector<16xf32>):
// Row and column offsets are constants of the address.
// CHECK: llvm.getelementptr %[[A]][%[[I]]] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.array<2 x f32>
// CHECK-NEXT: llvm.getelementptr %{{.*}}[4] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK-NEXT: %[[A0:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> f32
// CHECK-NEXT: %[[A1:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> f32
// CHECK-NEXT: llvm.getelementptr %[[B]][%[[I]]] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.array<32 x f32>
// CHECK-NEXT: llvm.getelementptr %{{.*}}[64] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
// One broadcast for a whole row.
// CHECK: %[[S0:.*]] = llvmx.splat %[[A0]] : f32 to vector<16xf32>
// CHECK-NEXT: %[[S1:.*]] = llvmx.splat %[[A1]] : f32 to vector<16xf32>
// CHECK-NEXT: llvm.call_intrinsic "llvm.fma.v16f32"(%[[S0]], %{{.*}}, %[[T0]])
// CHECK-NEXT: llvm.call_intrinsic "llvm.fma.v16f32"(%[[S0]], %{{.*}}, %[[T1]])
// CHECK-NEXT: llvm.call_intrinsic "llvm.fma.v16f32"(%[[S1]], %{{.*}}, %[[T2]])
// CHECK-NEXT: llvm.call_intrinsic "llvm.fma.v16f32"(%[[S1]], %{{.*}}, %[[T3]])
// CHECK: llvm.cond_br %{{.*}}, ^[[BODY]]({{.*}} {llvmx.loop}
// CHECK: llvm.func @gemm(%[[TABLE:.*]]: !llvm.ptr, %[[THREAD:.*]]: i64, %[[THREADS:.*]]: i64)
// CHECK: %[[P0:.*]] = llvm.load %[[TABLE]] {alignment = 8 : i64} : !llvm.ptr -> !llvm.ptr
// CHECK: llvm.getelementptr %[[TABLE]][24]
// CHECK: %[[P3:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: llvm.call @gemm.body(%[[P0]], %{{.*}}, %{{.*}}, %[[P3]], %[[THREAD]], %[[THREADS]])
func.func @gemm(%a: memref<?xf32>, %b: memref<?xf32>, %c: memref<?xf32> {lamina.may_alias}, %k: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %A = memref.reinterpret_cast %a to offset: [0], sizes: [2, 512], strides: [1, 2] : memref<?xf32> to memref<2x512xf32, strided<[1, 2]>>
  %B = memref.reinterpret_cast %b to offset: [0], sizes: [512, 32], strides: [32, 1] : memref<?xf32> to memref<512x32xf32, strided<[32, 1]>>
  %C = memref.reinterpret_cast %c to offset: [0], sizes: [2, 32], strides: [32, 1] : memref<?xf32> to memref<2x32xf32, strided<[32, 1]>>
  %zero = arith.constant dense<0.0> : vector<2x32xf32>
  %sum = scf.for %i = %c0 to %k step %c1 iter_args(%acc = %zero) -> (vector<2x32xf32>) {
    %column = vector.load %A[%c0, %i] : memref<2x512xf32, strided<[1, 2]>>, vector<2x1xf32>
    %row = vector.load %B[%i, %c0] : memref<512x32xf32, strided<[32, 1]>>, vector<32xf32>
    %x = vector.broadcast %column : vector<2x1xf32> to vector<2x32xf32>
    %y = vector.broadcast %row : vector<32xf32> to vector<2x32xf32>
    %next = vector.fma %x, %y, %acc : vector<2x32xf32>
    scf.yield %next : vector<2x32xf32>
  }
  vector.store %sum, %C[%c0, %c0] : memref<2x32xf32, strided<[32, 1]>>, vector<2x32xf32>
  func.return
}

// What is no kernel and called by none stays as it is.
// CHECK: func.func @plan()
func.func @plan() {
  func.return
}
