// RUN: lamina-opt %s -p loops-map-threads | filecheck %s

// Each thread takes a run of the 4 n turns, with its own part of scratch memory.
// CHECK-LABEL: func.func @kernel
// CHECK-SAME: %n: index, %thread: index, %threads: index
// CHECK: %[[OFFSET:.*]] = arith.muli %thread, %{{.*}} : index
// CHECK: %{{.*}} = memref.view %scratch[%[[OFFSET]]][%{{.*}}] : memref<?xi8, "thread"> to memref<?xi8, "thread">
// CHECK: %[[TURNS:.*]] = arith.muli %n, %{{.*}} : index
// CHECK: %[[PART:.*]] = arith.muli %[[TURNS]], %thread : index
// CHECK: %[[BEGIN:.*]] = arith.divui %[[PART]], %threads : index
// CHECK: %[[END:.*]] = arith.divui %{{.*}}, %threads : index
// CHECK: scf.for %[[TURN:.*]] = %[[BEGIN]] to %[[END]] step %{{.*}} {
// CHECK: %[[J:.*]] = arith.remui %[[TURN]], %{{.*}} : index
// CHECK: %[[I:.*]] = arith.divui %[[TURN]], %{{.*}} : index
// CHECK: %[[NEW:.*]] = arith.cmpi eq, %[[TURN]], %[[BEGIN]] : index
// CHECK: "test.op"(%[[I]], %[[J]], %[[NEW]], %{{.*}})
// CHECK-NOT: scf.forall
func.func @kernel(%scratch: memref<?xi8, "thread">, %n: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %bytes = arith.constant 4096 : index
  %own = threads.own_part %scratch of %bytes bytes : memref<?xi8, "thread">
  scf.forall (%i, %j) in (%n, 4) {
    %new = threads.first_turn
    "test.op"(%i, %j, %new, %own) : (index, index, i1, memref<?xi8, "thread">) -> ()
  } {mapping = [#threads.share, #threads.share]}
  func.return
}
