// RUN: lamina-opt %s -p schedule-check-memory --split-input-file --verify-diagnostics | filecheck %s

// %0 is written in one step and read in the next, and lives that long.
// CHECK: func.func @right
func.func @right(%x: !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32> {
  %0 = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<16 x f32>
  %1 = schedule.buffer output 0 : !layout.tensor<16 x f32>
  schedule.stage @a %0 = kernel.softmax(%x)
  schedule.barrier
  schedule.stage @b %1 = kernel.softmax(%0)
  func.return %1 : !layout.tensor<16 x f32>
}

// -----

// A step of a batch: %h lives inside, for the images of the step.
// CHECK: func.func @steps
func.func @steps(%x: !layout.tensor<4 x 16 x f32>) -> !layout.tensor<4 x 16 x f32> {
  %y = schedule.buffer output 0 : !layout.tensor<4 x 16 x f32>
  schedule.batches @batches0 reads(%a = %x) writes(%b = %y) 2 of 4 {
    %h = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<2 x 16 x f32>
    schedule.stage @a %h = kernel.softmax(%a)
    schedule.barrier
    schedule.stage @b %b = kernel.softmax(%h)
  }
  func.return %y : !layout.tensor<4 x 16 x f32>
}
