// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s -p lower-schedule-to-loops,loops-map-threads,loops-expand-math,lower-loops-to-llvm | filecheck %s --check-prefix LLVM

// Stages become calls of the kernels; buffers, barriers and views stay. Equal stages share a kernel.
// CHECK-LABEL: func.func @segment(%x: !layout.tensor<N x 8 x f32>) -> !layout.tensor<N x 8 x f32> {
// CHECK-NEXT:    %0 = schedule.buffer arena lives 0 to 1 : !layout.tensor<N x 8 x f32>
// CHECK-NEXT:    %y = schedule.buffer output 0 : !layout.tensor<N x 8 x f32>
// CHECK-NEXT:    schedule.call @first %0 = @[[KERNEL:softmax_[0-9a-f]+]](%x) sizes [N]
// CHECK-NEXT:    schedule.barrier
// CHECK-NEXT:    schedule.call @second %y = @[[KERNEL]](%0) sizes [N]
// CHECK-NEXT:    func.return %y : !layout.tensor<N x 8 x f32>
// CHECK:       func.func @[[KERNEL]](%0: memref<?xf32>, %1: memref<?xf32>, %N: index, %thread: index, %threads: index) attributes {lamina.kernel = {ins = [!layout.tensor<N x 8 x f32>], outs = [!layout.tensor<N x 8 x f32>], sizes = ["N"]}}
// CHECK-NOT:   func.func

// LLVM-LABEL: func.func @segment
// LLVM:         schedule.call @first %0 = @[[KERNEL:softmax_[0-9a-f]+]](%x) sizes [N]
// LLVM:       llvm.func @[[KERNEL]](%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64) attributes {lamina.kernel = {ins =
func.func @segment(%x: !layout.tensor<N x 8 x f32>) -> !layout.tensor<N x 8 x f32> {
  %0 = schedule.buffer arena lives 0 to 1 : !layout.tensor<N x 8 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<N x 8 x f32>
  schedule.stage @first %0 = kernel.softmax(%x) plan {lanes 8, unroll 1, row_vectors 1}
  schedule.barrier
  schedule.stage @second %y = kernel.softmax(%0) plan {lanes 8, unroll 1, row_vectors 1}
  func.return %y : !layout.tensor<N x 8 x f32>
}
