// RUN: lamina-opt %s | lamina-opt | filecheck %s

%n = "test.op"() : () -> index
// CHECK:      scf.forall (%{{.*}}, %{{.*}}) in (%{{.*}}, 4) {
// CHECK-NEXT:   %{{.*}} = threads.first_turn
// CHECK-NEXT:   "test.op"(%{{.*}}, %{{.*}}) : (index, index) -> ()
// CHECK-NEXT: } {mapping = [#threads.share, #threads.share]}
scf.forall (%i, %j) in (%n, 4) {
  %new = threads.first_turn
  "test.op"(%i, %j) : (index, index) -> ()
}
