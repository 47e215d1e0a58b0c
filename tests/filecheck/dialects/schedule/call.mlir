// RUN: lamina-opt %s | lamina-opt | filecheck %s
// RUN: lamina-opt %s --print-op-generic | lamina-opt | filecheck %s

// CHECK-LABEL: func.func @segment
// CHECK: schedule.call @kernel ins(%x) outs(%y) scratch [64 * N] report sizes [N] stage @gather0
// CHECK: schedule.call @machine_code ins(%x) outs(%y) stage @softmax0
func.func @segment(%x: !layout.tensor<N x 8 x f32>) -> !layout.tensor<N x 8 x i64> {
  %y = schedule.buffer output 0 : !layout.tensor<N x 8 x i64>
  schedule.call @kernel ins(%x) outs(%y) scratch [64 * N] report sizes [N] stage @gather0
  schedule.call @machine_code ins(%x) outs(%y) stage @softmax0
  func.return %y : !layout.tensor<N x 8 x i64>
}
func.func @kernel(%x: memref<?xf32>, %y: memref<?xi64>, %scratch: memref<?xi8, "thread">, %report: memref<?xi64>, %N: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  func.return
}
llvm.func @machine_code(!llvm.ptr, i64, i64)
