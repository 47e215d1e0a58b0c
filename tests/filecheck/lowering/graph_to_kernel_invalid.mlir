// RUN: not lamina-opt %s -p lower-graph-to-kernel 2>&1 | filecheck %s

func.func @segment0(%x: !graph.tensor<i64>) -> !graph.tensor<K x i64> {
  %0 = graph.range %x, %x, %x : (!graph.tensor<i64>, !graph.tensor<i64>, !graph.tensor<i64>) -> !graph.tensor<K x i64>
  func.return %0 : !graph.tensor<K x i64>
}

// CHECK: graph.range cannot be compiled: the shape of its result depends on the values of its input
