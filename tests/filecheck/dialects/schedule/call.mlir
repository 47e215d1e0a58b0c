// RUN: lamina-opt %s | lamina-opt | filecheck %s
// RUN: lamina-opt %s --print-op-generic | lamina-opt | filecheck %s

// CHECK-LABEL: func.func @segment
// CHECK: schedule.call @gather0 %y = @kernel(%x) scratch [64 * N] report sizes [N]
// CHECK: schedule.call @softmax0 %z = @machine_code(%x)
func.func @segment(%x: !layout.tensor<N x 8 x f32>) -> (!layout.tensor<N x 8 x i64>, !layout.tensor<N x 8 x i64>) {
  %y = schedule.buffer output 0 : !layout.tensor<N x 8 x i64>
  %z = schedule.buffer output 1 : !layout.tensor<N x 8 x i64>
  schedule.call @gather0 %y = @kernel(%x) scratch [64 * N] report sizes [N]
  schedule.call @softmax0 %z = @machine_code(%x)
  func.return %y, %z : !layout.tensor<N x 8 x i64>, !layout.tensor<N x 8 x i64>
}
func.func @kernel(%x: memref<?xf32>, %y: memref<?xi64>, %scratch: memref<?xi8, "thread">, %report: memref<?xi64>, %N: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  func.return
}
llvm.func @machine_code(!llvm.ptr, i64, i64)
