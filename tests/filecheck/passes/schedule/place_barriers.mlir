// RUN: lamina-opt %s -p schedule-place-barriers | filecheck %s

// @a and @b are independent; @c reads what @a wrote, through a reshape.
// CHECK: schedule.stage @a
// CHECK-NOT: schedule.barrier
// CHECK: schedule.stage @b
// CHECK: schedule.barrier
// CHECK-NEXT: schedule.stage @c
// CHECK-NOT: schedule.barrier
func.func @f(%x: !layout.tensor<8 x f32>) {
  %0 = schedule.buffer arena : !layout.tensor<8 x f32>
  %1 = schedule.buffer output 0 : !layout.tensor<8 x f32>
  %2 = schedule.buffer output 1 : !layout.tensor<4 x 2 x f32>
  schedule.stage @a %0 = layout.convert %x
  schedule.stage @b %1 = layout.convert %x
  %3 = layout.reshape %0 : !layout.tensor<4 x 2 x f32>
  schedule.stage @c %2 = layout.convert %3
  func.return
}

// Inside of batches as outside.
// CHECK-LABEL: @batches
// CHECK:      schedule.stage @a
// CHECK-NEXT: schedule.barrier
// CHECK-NEXT: schedule.batches @b
// CHECK:        schedule.stage @c
// CHECK-NEXT:   schedule.barrier
// CHECK-NEXT:   schedule.stage @d
// CHECK-NEXT: }
// CHECK-NEXT: schedule.barrier
// CHECK-NEXT: schedule.stage @e
func.func @batches(%x: !layout.tensor<8 x 16 x f32>) {
  %g = schedule.buffer arena : !layout.tensor<8 x 16 x f32>
  %h = schedule.buffer arena : !layout.tensor<8 x 16 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<8 x 16 x f32>
  schedule.stage @a %g = layout.convert %x
  schedule.batches @b reads(%p = %g) writes(%q = %h) of 8 {
    %i = schedule.buffer arena : !layout.tensor<1 x 16 x f32>
    schedule.stage @c %i = layout.convert %p
    schedule.stage @d %q = layout.convert %i
  }
  schedule.stage @e %y = layout.convert %h
  func.return
}
