// RUN: not lamina-opt %s -p lower-graph-to-kernel 2>&1 | filecheck %s

func.func @segment0(%x: !graph.tensor<3 x 4 x f32>) -> !graph.tensor<2 x K x i64> {
  %0 = graph.nonzero %x : (!graph.tensor<3 x 4 x f32>) -> !graph.tensor<2 x K x i64>
  func.return %0 : !graph.tensor<2 x K x i64>
}

// CHECK: graph.nonzero cannot be compiled: the shape of its result depends on the values of its input
