// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s

// One trip leaves no branch, and neither does a loop that is unrolled completely.
// CHECK-LABEL: @straight.body
// CHECK-NOT: llvm.cond_br
// CHECK-COUNT-5: llvm.store
// CHECK-NOT: llvm.store
// CHECK: llvm.return
func.func @straight(%x: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %f = arith.constant 1.0 : f32
  scf.for %i = %c0 to %c1 step %c4 {
    memref.store %f, %x[%i] : memref<?xf32>
  }
  scf.for %i = %c0 to %c4 step %c1 {
    memref.store %f, %x[%i] : memref<?xf32>
  } {lamina.unroll = 4 : index}
  func.return
}

// Ten trips by four: a loop of two rounds, and two trips behind it.
// CHECK-LABEL: @remainder.body
// CHECK: llvm.br ^[[LOOP:.*]](
// CHECK: ^[[LOOP]](
// CHECK-COUNT-4: llvm.store
// CHECK: llvm.cond_br %{{.*}}, ^[[LOOP]](
// CHECK-COUNT-2: llvm.store
// CHECK-NOT: llvm.store
// CHECK: llvm.return
func.func @remainder(%x: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c10 = arith.constant 10 : index
  %f = arith.constant 1.0 : f32
  scf.for %i = %c0 to %c10 step %c1 {
    memref.store %f, %x[%i] : memref<?xf32>
  } {lamina.unroll = 4 : index}
  func.return
}

// A condition between known indices is decided here.
// CHECK-LABEL: @decided.body
// CHECK-NOT: llvm.cond_br
// CHECK: llvm.mlir.constant(2.{{.*}} : f32)
// CHECK-NOT: llvm.cond_br
// CHECK: llvm.return
func.func @decided(%x: memref<?xf32>, %n: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = arith.addi %n, %c1 : index
  %larger = arith.cmpi sgt, %m, %n : index
  scf.if %larger {
    %f = arith.constant 2.0 : f32
    memref.store %f, %x[%c0] : memref<?xf32>
  } else {
    %f = arith.constant 3.0 : f32
    memref.store %f, %x[%c0] : memref<?xf32>
  }
  func.return
}
