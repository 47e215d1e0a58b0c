// RUN: lamina-opt %s -p schedule-check-memory --split-input-file --verify-diagnostics | filecheck %s

// %0 is written in one step and read in the next, and lives that long.
// CHECK: func.func @right
func.func @right(%x: !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32> {
  %0 = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<16 x f32>
  %1 = schedule.buffer output 0 : !layout.tensor<16 x f32>
  schedule.stage @a ins(%x : !layout.tensor<16 x f32>) outs(%0 : !layout.tensor<16 x f32>) {
  ^bb0(%i: !layout.tensor<16 x f32>):
    %r = kernel.softmax ins(%i : !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32>
    schedule.yield %r : !layout.tensor<16 x f32>
  }
  schedule.barrier
  schedule.stage @b ins(%0 : !layout.tensor<16 x f32>) outs(%1 : !layout.tensor<16 x f32>) {
  ^bb0(%i: !layout.tensor<16 x f32>):
    %r = kernel.softmax ins(%i : !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32>
    schedule.yield %r : !layout.tensor<16 x f32>
  }
  func.return %1 : !layout.tensor<16 x f32>
}
