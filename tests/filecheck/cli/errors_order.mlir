// RUN: not lamina-opt %s 2>&1 | filecheck %s

// A value that is used before it is defined is shown where it is used.
// CHECK:      error: {{.*}}errors_order.mlir:7:3: %z is used here before it is defined

func.func @main(%x: !graph.tensor<4 x f32>) -> !graph.tensor<4 x f32> {
  %y = graph.relu %z : !graph.tensor<4 x f32>
  %z = graph.relu %x : !graph.tensor<4 x f32>
  func.return %y : !graph.tensor<4 x f32>
}
