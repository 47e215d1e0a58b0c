// RUN: not lamina-opt %s 2>&1 | filecheck %s
// RUN: not lamina-opt %s -p graph-dead-cod 2>&1 | filecheck %s --check-prefix PASS
// RUN: not lamina-opt %s --machine z80 2>&1 | filecheck %s --check-prefix MACHINE

// CHECK:      error: {{.*}}suggestions.mlir:13:8: no operation is called 'graph.rellu': did you mean 'graph.relu'?
// CHECK-NEXT:   %y = graph.rellu %x
// CHECK-NEXT:        ^^^^^^^^^^^
// PASS:       error: --passes: no pass is called 'graph-dead-cod': did you mean 'graph-dead-code'?
// PASS-NEXT:  see: lamina-opt --help
// MACHINE:    error: --machine: unknown target 'z80': expected host or one of x86_64

func.func @main(%x: !graph.tensor<4 x f32>) -> !graph.tensor<4 x f32> {
  %y = graph.rellu %x : !graph.tensor<4 x f32>
  func.return %y : !graph.tensor<4 x f32>
}
