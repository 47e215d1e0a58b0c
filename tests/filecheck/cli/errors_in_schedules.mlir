// RUN: not lamina-opt %s --from schedule 2>&1 | filecheck %s

// A schedule that is read is held against the rules of its level before anything is made of it.
// CHECK:      error: {{.*}}errors_in_schedules.mlir:14:3: %h is read with no schedule.barrier since the stage that writes it

func.func @f(%x: !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32> {
  %h = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<16 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<16 x f32>
  schedule.stage @a ins(%x : !layout.tensor<16 x f32>) outs(%h : !layout.tensor<16 x f32>) {
  ^bb0(%i: !layout.tensor<16 x f32>):
    %r = kernel.softmax ins(%i : !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32>
    schedule.yield %r : !layout.tensor<16 x f32>
  }
  schedule.stage @b ins(%h : !layout.tensor<16 x f32>) outs(%y : !layout.tensor<16 x f32>) {
  ^bb0(%i: !layout.tensor<16 x f32>):
    %r = kernel.softmax ins(%i : !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32>
    schedule.yield %r : !layout.tensor<16 x f32>
  }
  func.return %y : !layout.tensor<16 x f32>
}
