// RUN: not lamina-opt %s 2>&1 | filecheck %s

// What does not verify is shown where it stands, in the form file:line:column that editors understand.
// CHECK:      error: {{.*}}errors.mlir:9:3: the result must have type !graph.tensor<4 x f32>, got !graph.tensor<5 x f32>
// CHECK-NEXT:   %y = "graph.relu"
// CHECK-NEXT:   ^^^^^^

func.func @main(%x: !graph.tensor<4 x f32>) -> !graph.tensor<4 x f32> {
  %y = "graph.relu"(%x) : (!graph.tensor<4 x f32>) -> !graph.tensor<5 x f32>
  func.return %x : !graph.tensor<4 x f32>
}
