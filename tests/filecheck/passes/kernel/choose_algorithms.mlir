// RUN: lamina-opt %s --machine avx512 --constant 'weight=dense<0.5> : tensor<64x64x3x3xf32>' -p kernel-choose-algorithms | filecheck %s
// RUN: lamina-opt %s --machine avx512 --constant 'weight=dense<0.5> : tensor<64x64x3x3xf32>' -p kernel-choose-algorithms{force=im2col} | filecheck %s --check-prefix FORCED
// RUN: lamina-opt %s --machine avx512 --constant 'weight=dense<0.5> : tensor<64x64x3x3xf32>' -p kernel-choose-algorithms{force=indirect} | filecheck %s --check-prefix INDIRECT
// RUN: lamina-opt %s --machine avx512 --constant 'weight=dense<0.5> : tensor<64x64x3x3xf32>' -p kernel-choose-algorithms | filecheck %s --check-prefix BUDGET
// RUN: lamina-opt %s --machine avx512 --constant 'weight=dense<0.5> : tensor<64x64x3x3xf32>' -p kernel-choose-algorithms{winograd-error=0.0} | filecheck %s --check-prefix NONE

func.func @algorithms(%x: !layout.tensor<1 x 64 x 56 x 56 x f32>, %w3: !layout.tensor<64 x 64 x 3 x 3 x f32>, %w1: !layout.tensor<64 x 64 x 1 x 1 x f32>, %wd: !layout.tensor<64 x 1 x 3 x 3 x f32>, %wg: !layout.tensor<64 x 4 x 3 x 3 x f32>) {
  // Winograd's F(4, 3) saves most products of a large 3x3 convolution.
  // CHECK: kernel.conv winograd4(
  // FORCED: kernel.conv im2col(
  // INDIRECT: kernel.conv indirect(
  %0 = kernel.conv(%x, %w3) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // A stride rules Winograd out.
  // CHECK: kernel.conv direct(
  %1 = kernel.conv(%x, %w3) strides [2, 2] pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 28 x 28 x f32>
  // CHECK: kernel.conv direct(
  %2 = kernel.conv(%x, %w1) : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // CHECK: kernel.conv depthwise(
  %3 = kernel.conv(%x, %wd) pads [1, 1, 1, 1] groups 64 : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // Groups of four channels fill no vector: im2col is all that can compute them.
  // CHECK: kernel.conv im2col(
  // INDIRECT: kernel.conv depthwise(
  // INDIRECT: kernel.conv im2col(
  %4 = kernel.conv(%x, %wg) pads [1, 1, 1, 1] groups 16 : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // What a person chose stays.
  // CHECK: kernel.conv winograd2(
  // FORCED: kernel.conv winograd2(
  %5 = kernel.conv winograd2(%x, %w3) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  func.return
}

// What reads rows of pixels from outside and gives such changes no layout for im2col.
func.func @alone(%x: !layout.tensor<1 x 64 x 56 x 56 x f32>, %w: !layout.tensor<64 x 64 x 1 x 1 x f32>, %v: !layout.tensor<64 x 64 x 3 x 3 x f32>) -> (!layout.tensor<1 x 64 x 56 x 56 x f32>, !layout.tensor<1 x 64 x 56 x 56 x f32>) {
  // CHECK-LABEL: func.func @alone
  // CHECK: kernel.conv im2col(
  %0 = kernel.conv(%x, %w) : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // CHECK: kernel.conv winograd4(
  %1 = kernel.conv(%x, %v) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  func.return %0, %1 : !layout.tensor<1 x 64 x 56 x 56 x f32>, !layout.tensor<1 x 64 x 56 x 56 x f32>
}

// Unknown sizes count as those of a small picture, and one of them at a time.
func.func @free_sizes(%x: !layout.tensor<N x 64 x (H floordiv 4) x (W floordiv 4) x f32>, %w: !layout.tensor<64 x 64 x 3 x 3 x f32>) {
  // CHECK-LABEL: func.func @free_sizes
  // CHECK: kernel.conv winograd4(
  %0 = kernel.conv(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<N x 64 x (H floordiv 4) x (W floordiv 4) x f32>
  func.return
}

// The text says how far off the transforms are for these weights, over a direct sum; a budget rules them out.
func.func @error_budget(%x: !layout.tensor<1 x 64 x 56 x 56 x f32>) {
  // BUDGET-LABEL: func.func @error_budget
  // BUDGET: kernel.conv winograd4(%x, %w) error {{[12]\.[0-9]}} pads
  // NONE-LABEL: func.func @error_budget
  // NONE: kernel.conv direct(%x, %w) pads
  %w = kernel.constant @weight : !layout.tensor<64 x 64 x 3 x 3 x f32>
  %0 = kernel.conv(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  func.return
}
