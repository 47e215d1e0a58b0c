// RUN: lamina-opt %s -p schedule-plan-arena | filecheck %s

// A buffer lives from its first stage to its last; those alive at the same time lie apart, the others share.
// CHECK-LABEL: @chain
// CHECK: schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<256 x f32>
// CHECK: schedule.buffer arena lives 1 to 2 offset 1024 : !layout.tensor<256 x f32>
// CHECK: schedule.buffer arena lives 2 to 3 offset 0 : !layout.tensor<256 x f32>
func.func @chain(%x: !layout.tensor<256 x f32>) {
  %0 = schedule.buffer arena : !layout.tensor<256 x f32>
  %1 = schedule.buffer arena : !layout.tensor<256 x f32>
  %2 = schedule.buffer arena : !layout.tensor<256 x f32>
  %3 = schedule.buffer output 0 : !layout.tensor<256 x f32>
  schedule.stage @a %0 = layout.convert %x
  schedule.barrier
  schedule.stage @b %1 = layout.convert %0
  schedule.barrier
  schedule.stage @c %2 = layout.convert %1
  schedule.barrier
  schedule.stage @d %3 = layout.convert %2
  func.return
}

// Without barriers threads may be in either stage: both buffers live through both.
// CHECK-LABEL: @no_barrier
// CHECK: schedule.buffer arena lives 0 to 1 offset
// CHECK: schedule.buffer arena lives 0 to 1 offset
func.func @no_barrier(%x: !layout.tensor<256 x f32>) {
  %0 = schedule.buffer arena : !layout.tensor<256 x f32>
  %1 = schedule.buffer arena : !layout.tensor<256 x f32>
  schedule.stage @a %0 = layout.convert %x
  schedule.stage @b %1 = layout.convert %x
  func.return
}

// Sizes that depend on symbols are placed once the symbols are bound.
// CHECK-LABEL: @symbolic
// CHECK: schedule.buffer arena lives 0 to 0 : !layout.tensor<N x f32>
func.func @symbolic(%x: !layout.tensor<N x f32>) {
  %0 = schedule.buffer arena : !layout.tensor<N x f32>
  schedule.stage @a %0 = layout.convert %x
  func.return
}

// Inside of batches stages are numbered from 0, in an arena of their own, for a step with all its images.
// CHECK-LABEL: @batches
// CHECK: %h = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<8 x 16 x f32>
// CHECK: %[[I:.*]] = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<n x 16 x f32>
// CHECK: %[[J:.*]] = schedule.buffer arena lives 1 to 2 offset 192 : !layout.tensor<n x 16 x f32>
func.func @batches(%x: !layout.tensor<8 x 16 x f32>) {
  %h = schedule.buffer arena : !layout.tensor<8 x 16 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<8 x 16 x f32>
  schedule.stage @a %h = layout.convert %x
  schedule.barrier
  schedule.batches @b reads(%p = %h) writes(%q = %y) 3 as n of 8 {
    %i = schedule.buffer arena : !layout.tensor<n x 16 x f32>
    %j = schedule.buffer arena : !layout.tensor<n x 16 x f32>
    schedule.stage @c %i = layout.convert %p
    schedule.barrier
    schedule.stage @d %j = layout.convert %i
    schedule.barrier
    schedule.stage @e %q = layout.convert %j
  }
  func.return
}
