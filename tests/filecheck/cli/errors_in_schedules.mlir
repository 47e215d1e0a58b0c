// RUN: not lamina-opt %s --from schedule 2>&1 | filecheck %s
// RUN: not lamina-opt %s 2>&1 | filecheck %s
// RUN: not lamina-opt %s -p schedule-choose-tiles 2>&1 | filecheck %s
// RUN: lamina-opt %s -p schedule-place-barriers | filecheck %s --check-prefix MENDED

// A schedule that is read is held against the rules of its level before anything is made of it, but for what the passes
// see to.
// CHECK:      error: {{.*}}errors_in_schedules.mlir:17:3: %h is read with no schedule.barrier since the stage that writes it

// MENDED:      schedule.stage @a
// MENDED-NEXT: schedule.barrier
// MENDED-NEXT: schedule.stage @b
func.func @f(%x: !layout.tensor<16 x f32>) -> !layout.tensor<16 x f32> {
  %h = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<16 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<16 x f32>
  schedule.stage @a %h = kernel.softmax(%x)
  schedule.stage @b %y = kernel.softmax(%h)
  func.return %y : !layout.tensor<16 x f32>
}
