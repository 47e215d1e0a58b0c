// RUN: lamina-opt %s | lamina-opt | filecheck %s

%scratch, %bytes = "test.op"() : () -> (memref<?xi8, "thread">, index)
// CHECK: %{{.*}} = threads.own_part %{{.*}} of %{{.*}} bytes : memref<?xi8, "thread">
%own = threads.own_part %scratch of %bytes bytes : memref<?xi8, "thread">
// CHECK: %{{.*}} = threads.first_turn
scf.forall (%i) in (3) {
  %new = threads.first_turn
} {mapping = [#threads.share]}
