// RUN: lamina-opt %s -p lower-kernel-to-schedule | filecheck %s

// CHECK-LABEL: func.func @segment0(%x: !layout.tensor<2 x 8 x f32>) -> (!layout.tensor<2 x 4 x f32>, !layout.tensor<2 x 8 x f32>) {
// CHECK-NEXT: %[[W:.*]] = schedule.buffer constant @w : !layout.tensor<8 x 4 x f32>
// CHECK-NEXT: %[[G:.*]] = schedule.buffer arena : !layout.tensor<2 x 4 x f32>
// CHECK-NEXT: schedule.stage @gemm0 %[[G]] = kernel.gemm(%x, %[[W]])
// A reshape costs nothing: the result's memory is the output, and the stage reads the same buffer.
// CHECK: %[[O:.*]] = schedule.buffer output 0 : !layout.tensor<8 x f32>
// CHECK: schedule.stage @softmax0 %[[O]] = kernel.softmax(%{{.*}})
// A returned input is copied: outputs are the caller's own.
// CHECK: schedule.buffer output 1 : !layout.tensor<2 x 8 x f32>
// CHECK: schedule.stage @convert0 %{{.*}} = layout.convert %x
// CHECK: func.return
func.func @segment0(%x: !layout.tensor<2 x 8 x f32>) -> (!layout.tensor<2 x 4 x f32>, !layout.tensor<2 x 8 x f32>) {
  %w = kernel.constant @w : !layout.tensor<8 x 4 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<2 x 4 x f32>
  %1 = layout.reshape %0 : !layout.tensor<8 x f32>
  %2 = kernel.softmax(%1) : !layout.tensor<8 x f32>
  %3 = layout.reshape %2 : !layout.tensor<2 x 4 x f32>
  func.return %3, %x : !layout.tensor<2 x 4 x f32>, !layout.tensor<2 x 8 x f32>
}
