// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: C1: 2 bounds, but 1 indices
scf.forall (%i) in (3, 4) {
  "test.op"(%i) : (index) -> ()
}

// -----

// CHECK: C2: 1 bounds, but the mapping names 2
scf.forall (%i) in (3) {
  "test.op"(%i) : (index) -> ()
} {mapping = [#threads.share, #threads.share]}
