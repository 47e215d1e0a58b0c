// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s

// Bytes of scratch as a buffer of numbers, and how far it lies from another buffer. Buffers that are reached through
// each other are not noalias.
// CHECK: llvm.func internal @distance.body(%[[X:.*]]: !llvm.ptr, %{{.*}}: !llvm.ptr {llvm.noalias}, %[[SCRATCH:.*]]: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)
// CHECK: %[[BYTES:.*]] = llvm.getelementptr %[[SCRATCH]][64]
// CHECK: %[[THERE:.*]] = llvm.ptrtoint %[[BYTES]] : !llvm.ptr to i64
// CHECK: %[[HERE:.*]] = llvm.ptrtoint %[[X]] : !llvm.ptr to i64
// CHECK: llvm.sub %[[THERE]], %[[HERE]] : i64
func.func @distance(%x: memref<?xf32> {lamina.may_alias}, %y: memref<?xindex>, %scratch: memref<?xi8> {lamina.may_alias}, %thread: index, %threads: index) attributes {lamina.kernel} {
  %zero = arith.constant 0 : index
  %place = arith.constant 64 : index
  %size = arith.constant 16 : index
  %zeros = memref.view %scratch[%place][%size] : memref<?xi8> to memref<?xf32>
  %there = "memref.extract_aligned_pointer_as_index"(%zeros) : (memref<?xf32>) -> index
  %here = "memref.extract_aligned_pointer_as_index"(%x) : (memref<?xf32>) -> index
  %distance = arith.subi %there, %here : index
  memref.store %distance, %y[%zero] : memref<?xindex>
  func.return
}
