// RUN: lamina-opt %s --machine avx2 -p schedule-choose-batches | filecheck %s
// RUN: lamina-opt %s --machine avx2 -p "schedule-choose-batches{images=3}" | filecheck %s --check-prefix THREE

// What passes from stage to stage fits in L2 for one image, and not for all; weights are small.
// CHECK-LABEL: @images
// CHECK:      %y = schedule.buffer output 0
// CHECK-NEXT: schedule.batches @batches0 reads(%[[X:.*]] = %x) writes(%[[Y:.*]] = %y) of 8 {
// CHECK-NEXT:   %h = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW8c>
// CHECK-NEXT:   %i = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW8c>
// CHECK-NEXT:   schedule.stage @conv0 %h = kernel.conv direct(%[[X]], %w)
// CHECK-NEXT:   schedule.stage @conv1 %i = kernel.conv direct(%h, %w)
// CHECK-NEXT:   schedule.stage @conv2 %[[Y]] = kernel.conv direct(%i, %w)
// CHECK-NEXT: }
func.func @images(%x: !layout.tensor<8 x 32 x 28 x 28 x f32, NCHW8c>) {
  %w = schedule.buffer constant @w : !layout.tensor<32 x 32 x 1 x 1 x f32, ABcd8b8a>
  %h = schedule.buffer arena : !layout.tensor<8 x 32 x 28 x 28 x f32, NCHW8c>
  %i = schedule.buffer arena : !layout.tensor<8 x 32 x 28 x 28 x f32, NCHW8c>
  %y = schedule.buffer output 0 : !layout.tensor<8 x 32 x 28 x 28 x f32, NCHW8c>
  schedule.stage @conv0 %h = kernel.conv direct(%x, %w)
  schedule.stage @conv1 %i = kernel.conv direct(%h, %w)
  schedule.stage @conv2 %y = kernel.conv direct(%i, %w)
  func.return
}

// Weights that weigh more than what is computed are read once for the whole batch.
// CHECK-LABEL: @weights
// CHECK-NOT: schedule.batches
func.func @weights(%x: !layout.tensor<8 x 2048 x f32>) {
  %w = schedule.buffer constant @v : !layout.tensor<2048 x 2048 x f32, Ba16b>
  %h = schedule.buffer arena : !layout.tensor<8 x 2048 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<8 x 2048 x f32>
  schedule.stage @gemm0 %h = kernel.gemm(%x, %w)
  schedule.stage @gemm1 %y = kernel.gemm(%h, %w)
  func.return
}

// A batch of any size: the last step has what is left. Views are of the parts; @sum must see all images, and ends the run.
// THREE-LABEL: @any_size
// THREE:      schedule.batches @batches0 reads(%[[X:.*]] = %x) writes(%[[H:.*]] = %h) 3 as n of N {
// THREE-NEXT:   %g = schedule.buffer arena : !layout.tensor<n x 8 x f32>
// THREE-NEXT:   schedule.stage @rows %g = kernel.softmax(%[[X]])
// THREE-NEXT:   %[[V:.*]] = layout.reshape %g : !layout.tensor<(4 * n) x 2 x f32>
// THREE-NEXT:   schedule.stage @pairs %[[H]] = kernel.softmax(%[[V]])
// THREE-NEXT: }
// THREE-NEXT: schedule.stage @sum %y = kernel.reduce sum(%h) axes [0]
func.func @any_size(%x: !layout.tensor<N x 8 x f32>) {
  %g = schedule.buffer arena : !layout.tensor<N x 8 x f32>
  %h = schedule.buffer arena : !layout.tensor<(4 * N) x 2 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<1 x 2 x f32>
  schedule.stage @rows %g = kernel.softmax(%x)
  %v = layout.reshape %g : !layout.tensor<(4 * N) x 2 x f32>
  schedule.stage @pairs %h = kernel.softmax(%v)
  schedule.stage @sum %y = kernel.reduce sum(%h) axes [0]
  func.return
}

// Strides step over three of four pixels, and what is added is read once: four images stay in L2 for all channels.
// CHECK-LABEL: @strides
// CHECK: schedule.batches {{.*}} 4 of 16
func.func @strides(%x: !layout.tensor<16 x 128 x 14 x 14 x f32, NCHW8c>, %r: !layout.tensor<16 x 256 x 7 x 7 x f32, NCHW8c>) {
  %w = schedule.buffer constant @u : !layout.tensor<256 x 128 x 1 x 1 x f32, ABcd8b8a>
  %y = schedule.buffer output 0 : !layout.tensor<16 x 256 x 7 x 7 x f32, NCHW8c>
  schedule.stage @s %y = kernel.conv direct(%x, %w) strides [2, 2] epilogue(%acc, %a = %r) {%b = arith.addf %acc, %a : f32}
  func.return
}
