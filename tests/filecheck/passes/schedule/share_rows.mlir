// RUN: lamina-opt %s -p schedule-share-rows | filecheck %s

// Images of 100 KB outweigh weights of 16 KB: threads share rows, of the depthwise convolution and the pool that follow
// as well.
// CHECK-LABEL: @images
// CHECK: @direct {{.*}} plan {ow tile 7, threads [n, oh]}
// CHECK: @pixels {{.*}} plan {ow tile 7, threads [n, oh]}
// CHECK: @depthwise {{.*}} plan {oh tile 2, ow tile 7, threads [n, oh]}
// CHECK: @pool {{.*}} plan {lanes 16, share rows}
func.func @images(%x: !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<32 x 32 x 3 x 3 x f32, ABcd16b32a>, %v: !layout.tensor<32 x 32 x 1 x 1 x f32, ABcd16b32a>, %d: !layout.tensor<32 x 1 x 3 x 3 x f32, Abcd16a>) {
  %1 = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>
  %2 = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>
  %3 = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>
  %4 = schedule.buffer output 0 : !layout.tensor<1 x 32 x 14 x 14 x f32, NCHW16c>
  schedule.stage @direct %1 = kernel.conv direct(%x, %w) pads [1, 1, 1, 1] plan {oc blocks 2, ow tile 7}
  schedule.stage @pixels %2 = kernel.conv direct(%1, %v) plan {oc blocks 2, ow tile 7}
  schedule.stage @depthwise %3 = kernel.conv depthwise(%2, %d) pads [1, 1, 1, 1] groups 32 plan {oh tile 2, ow tile 7}
  schedule.stage @pool %4 = kernel.pool max(%3) window [2, 2] strides [2, 2] plan {lanes 16}
  func.return
}

// What is summed over pixels, after a map here, is written by channels as it is read.
// CHECK-LABEL: @summed
// CHECK: @pixels {{.*}} plan {ow tile 7}
// CHECK: @depthwise {{.*}} plan {oh tile 2, ow tile 7}
func.func @summed(%x: !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>, %v: !layout.tensor<32 x 32 x 1 x 1 x f32, ABcd16b32a>, %d: !layout.tensor<32 x 1 x 1 x 1 x f32, Abcd16a>) {
  %1 = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>
  %2 = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>
  %3 = schedule.buffer arena : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>
  %4 = schedule.buffer output 0 : !layout.tensor<1 x 32 x 1 x 1 x f32, NCHW16c>
  schedule.stage @pixels %1 = kernel.conv direct(%x, %v) plan {oc blocks 2, ow tile 7}
  schedule.stage @depthwise %2 = kernel.conv depthwise(%1, %d) groups 32 plan {oh tile 2, ow tile 7}
  schedule.stage @map %3 = kernel.map(%2) plan {lanes 16} each(%a) {%b = arith.addf %a, %a : f32}
  schedule.stage @sum %4 = kernel.reduce mean(%3) axes [2, 3] plan {lanes 16}
  func.return
}

// Weights of 1 MB outweigh images of 200 KB: threads share channels, and what follows goes on so.
// CHECK-LABEL: @weights
// CHECK: @direct {{.*}} plan {ow tile 7}
// CHECK: @depthwise {{.*}} plan {oh tile 2, ow tile 7}
func.func @weights(%x: !layout.tensor<1 x 512 x 14 x 14 x f32, NCHW16c>, %w: !layout.tensor<512 x 512 x 1 x 1 x f32, ABcd16b32a>, %d: !layout.tensor<512 x 1 x 1 x 1 x f32, Abcd16a>) {
  %0 = schedule.buffer arena : !layout.tensor<1 x 512 x 14 x 14 x f32, NCHW16c>
  %1 = schedule.buffer output 0 : !layout.tensor<1 x 512 x 14 x 14 x f32, NCHW16c>
  schedule.stage @direct %0 = kernel.conv direct(%x, %w) plan {oc blocks 2, ow tile 7}
  schedule.stage @depthwise %1 = kernel.conv depthwise(%0, %d) groups 512 plan {oh tile 2, ow tile 7}
  func.return
}

// Images of few rows are left, and so is what a person has decided.
// CHECK-LABEL: @left
// CHECK: @few {{.*}} plan {oh tile 2, ow tile 7}
// CHECK: @decided {{.*}} plan {oh tile 2, ow tile 7, threads [c]}
func.func @left(%x: !layout.tensor<1 x 32 x 8 x 8 x f32, NCHW16c>, %z: !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>, %d: !layout.tensor<32 x 1 x 1 x 1 x f32, Abcd16a>) {
  %0 = schedule.buffer output 0 : !layout.tensor<1 x 32 x 8 x 8 x f32, NCHW16c>
  %2 = schedule.buffer output 1 : !layout.tensor<1 x 32 x 28 x 28 x f32, NCHW16c>
  schedule.stage @few %0 = kernel.conv depthwise(%x, %d) groups 32 plan {oh tile 2, ow tile 7}
  schedule.stage @decided %2 = kernel.conv depthwise(%z, %d) groups 32 plan {oh tile 2, ow tile 7, threads [c]}
  func.return
}
