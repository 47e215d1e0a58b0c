// RUN: lamina-opt %s | lamina-opt | filecheck %s
// RUN: lamina-opt %s --print-op-generic | filecheck %s --check-prefix LAYOUT

// The text of weights that lie in panels says so, and the stages that read them how wide those are; in memory, and where no
// stage says it, they have the layout that follows.

func.func @products(%x: !layout.tensor<4 x 64 x f32>, %y: !layout.tensor<4 x 96 x f32>, %z: !layout.tensor<4 x 96 x f32>) {
  // CHECK:      %a = schedule.buffer constant @a packed : !layout.tensor<64 x 96 x f32>
  // CHECK-NEXT: schedule.stage @a %y = kernel.gemm(%x, %a) plan {m tile 4, n tile 32}
  // LAYOUT: constant = "a"{{.*}} -> !layout.tensor<64 x 96 x f32, Ba32b>
  %a = schedule.buffer constant @a packed : !layout.tensor<64 x 96 x f32>
  schedule.stage @a %y = kernel.gemm(%x, %a) plan {m tile 4, n tile 32}
  // The layout says it as well.
  // CHECK-NEXT: %b = schedule.buffer constant @b packed : !layout.tensor<96 x 64 x f32>
  // CHECK-NEXT: schedule.stage @b %z = kernel.gemm(%x, %b) transpose_b plan {n tile 48}
  // LAYOUT: constant = "b"{{.*}} -> !layout.tensor<96 x 64 x f32, Ab48a>
  %b = schedule.buffer constant @b : !layout.tensor<96 x 64 x f32, Ab48a>
  schedule.stage @b %z = kernel.gemm(%x, %b) transpose_b
  func.return
}

func.func @blocks(%x: !layout.tensor<1 x 32 x 8 x 8 x f32, NCHW16c>, %i: !layout.tensor<1 x 3 x 8 x 8 x f32>, %y: !layout.tensor<1 x 64 x 8 x 8 x f32, NCHW16c>, %z: !layout.tensor<1 x 64 x 8 x 8 x f32, NCHW16c>, %u: !layout.tensor<1 x 64 x 8 x 8 x f32, NCHW16c>) {
  // CHECK:      %a = schedule.buffer constant @a packed : !layout.tensor<64 x 32 x 3 x 3 x f32>
  // CHECK-NEXT: schedule.stage @a %y = kernel.conv direct(%x, %a) pads [1, 1, 1, 1] plan {oc blocks 2, ow tile 8}
  // LAYOUT: constant = "a"{{.*}} -> !layout.tensor<64 x 32 x 3 x 3 x f32, ABcd16b32a>
  %a = schedule.buffer constant @a packed : !layout.tensor<64 x 32 x 3 x 3 x f32>
  schedule.stage @a %y = kernel.conv direct(%x, %a) pads [1, 1, 1, 1] plan {oc blocks 2, ow tile 8}
  // CHECK:      schedule.stage @b %z = kernel.conv direct(%i, %b) pads [1, 1, 1, 1] plan {oc blocks 4, ow tile 8}
  // LAYOUT: constant = "b"{{.*}} -> !layout.tensor<64 x 3 x 3 x 3 x f32, Acdb64a>
  %b = schedule.buffer constant @b packed : !layout.tensor<64 x 3 x 3 x 3 x f32>
  schedule.stage @b %z = kernel.conv direct(%i, %b) pads [1, 1, 1, 1] plan {oc blocks 4, ow tile 8}
  // CHECK:      schedule.stage @c %u = kernel.conv winograd4(%x, %c) pads [1, 1, 1, 1] plan {oc blocks 2, t tile 4 block 4}
  // LAYOUT: constant = "c"{{.*}} -> !layout.tensor<45 x 32 x 64 x f32, Cab32c>
  %c = schedule.buffer constant @c packed : !layout.tensor<45 x 32 x 64 x f32>
  schedule.stage @c %u = kernel.conv winograd4(%x, %c) pads [1, 1, 1, 1] plan {oc blocks 2, t tile 4 block 4}
  func.return
}

func.func @panels(%x: !layout.tensor<1 x 32 x 8 x 8 x f32>, %n: !layout.tensor<1 x 32 x 8 x 8 x f32, NHWC>, %y: !layout.tensor<1 x 64 x 8 x 8 x f32>, %z: !layout.tensor<1 x 64 x 8 x 8 x f32, NHWC>) {
  // CHECK:      schedule.stage @a %y = kernel.conv im2col(%x, %a) pads [1, 1, 1, 1] plan {oc tile 6, p tile 32 lanes 16}
  // LAYOUT: constant = "a"{{.*}} -> !layout.tensor<64 x 32 x 3 x 3 x f32, Abcd6a>
  %a = schedule.buffer constant @a packed : !layout.tensor<64 x 32 x 3 x 3 x f32>
  schedule.stage @a %y = kernel.conv im2col(%x, %a) pads [1, 1, 1, 1] plan {oc tile 6, p tile 32 lanes 16}
  // CHECK:      schedule.stage @b %z = kernel.conv indirect(%n, %b) pads [1, 1, 1, 1] plan {p tile 6 block 96, oc tile 48 lanes 16}
  // LAYOUT: constant = "b"{{.*}} -> !layout.tensor<64 x 32 x 3 x 3 x f32, Acdb48a>
  %b = schedule.buffer constant @b packed : !layout.tensor<64 x 32 x 3 x 3 x f32>
  schedule.stage @b %z = kernel.conv indirect(%n, %b) pads [1, 1, 1, 1] plan {p tile 6 block 96, oc tile 48 lanes 16}
  func.return
}

// CHECK-LABEL: @said_twice
func.func @said_twice(%x: !layout.tensor<4 x 64 x f32>, %y: !layout.tensor<4 x 96 x f32>, %z: !layout.tensor<4 x 64 x f32>) {
  // Weights that are read in another way, too, have no width of their own.
  // CHECK:      %a = schedule.buffer constant @a : !layout.tensor<64 x 96 x f32, Ba32b>
  // CHECK-NEXT: schedule.stage @a %y = kernel.gemm(%x, %a) plan {m tile 4}
  %a = schedule.buffer constant @a packed : !layout.tensor<64 x 96 x f32>
  schedule.stage @a %y = kernel.gemm(%x, %a) plan {m tile 4, n tile 32}
  %0 = schedule.buffer output 0 : !layout.tensor<64 x 96 x f32>
  schedule.stage @b %0 = layout.convert %a
  func.return
}
