// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx2},llvm-check-bounds' | filecheck %s

// The body takes the sizes of its buffers and the place of its report after all else.
// CHECK: llvm.func internal @copy.body(%[[X:.*]]: !llvm.ptr {llvm.noalias}, %[[Y:.*]]: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %[[XBYTES:.*]]: i64, %[[YBYTES:.*]]: i64, %[[STATUS:.*]]: !llvm.ptr)
// CHECK: %[[SPARE:.*]] = llvm.alloca %{{.*}} x i8
// CHECK: %[[SIZE:.*]] = llvm.mlir.constant(16) : i64
// CHECK: %[[BASE:.*]] = llvm.ptrtoint %[[X]]
// CHECK: %[[P:.*]] = llvm.getelementptr %[[X]][8]
// CHECK: %[[ADDRESS:.*]] = llvm.ptrtoint %[[P]]
// CHECK: %[[AT:.*]] = llvm.sub %[[ADDRESS]], %[[BASE]]
// CHECK: llvm.icmp "ult" %[[AT]], %[[XBYTES]]
// CHECK: %[[REST:.*]] = llvm.sub %[[XBYTES]], %[[AT]]
// CHECK: llvm.icmp "uge" %[[REST]], %[[SIZE]]
// CHECK: %[[INSIDE:.*]] = llvm.and
// CHECK: %[[WORD:.*]] = llvm.select %[[INSIDE]], %[[SPARE]], %[[STATUS]]
// CHECK: llvm.store %{{.*}}, %[[WORD]]
// CHECK: %[[Q:.*]] = llvm.select %[[INSIDE]], %[[P]], %[[SPARE]]
// CHECK: llvm.load %[[Q]] {{.*}} -> vector<4xf32>
// A masked access reaches from its first lane that is on to its last.
// CHECK: llvm.bitcast %{{.*}} : vector<4xi1> to i4
// CHECK: "llvm.cttz.i64"
// CHECK: "llvm.ctlz.i64"
// CHECK: llvm.icmp "ult" %{{.*}}, %[[YBYTES]]
// CHECK: "llvm.masked.store.v4f32.p0"

// The entry reads them from the slots that follow; a size below zero is that of one thread's part.
// CHECK: llvm.func @copy(%[[TABLE:.*]]: !llvm.ptr, %{{.*}}: i64, %[[THREADS:.*]]: i64)
// CHECK: llvm.getelementptr %[[TABLE]][24]
// CHECK: llvm.mul %{{.*}}, %[[THREADS]]
// CHECK: llvm.getelementptr %[[TABLE]][40]
// CHECK: llvm.call @copy.body
func.func @copy(%x: memref<?xf32>, %y: memref<?xf32>, %n: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %i = arith.constant 2 : index
  %v = vector.load %x[%i] : memref<?xf32>, vector<4xf32>
  %m = vector.create_mask %n : vector<4xi1>
  vector.maskedstore %y[%i], %m, %v : memref<?xf32>, vector<4xi1>, vector<4xf32>
  func.return
}
