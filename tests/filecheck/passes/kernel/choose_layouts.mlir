// RUN: lamina-opt %s --machine avx512 -p kernel-choose-layouts | filecheck %s

// A chain of convolutions stays in channel blocks; the middle one's padding becomes a halo that its producer writes.
func.func @chain(%x: !layout.tensor<1 x 32 x 56 x 56 x f32>, %w0: !layout.tensor<64 x 32 x 1 x 1 x f32>, %w1: !layout.tensor<64 x 64 x 3 x 3 x f32>, %b: !layout.tensor<64 x f32>) -> !layout.tensor<1 x 64 x 56 x 56 x f32> {
  // CHECK: layout.convert %x : !layout.tensor<1 x 32 x 56 x 56 x f32, NCHW16c>
  // CHECK: layout.convert %w0 : !layout.tensor<64 x 32 x 1 x 1 x f32, ABcd16b32a>
  // CHECK: %[[HALO:.*]] = kernel.conv {{.*}} : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>
  %0 = kernel.conv direct(%x, %w0) : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // CHECK: layout.convert %b : !layout.tensor<64 x f32, A16a>
  // CHECK: kernel.conv {{.*}}(%[[HALO]], {{.*}} : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
  %1 = kernel.conv direct(%0, %w1, %b) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // CHECK: %[[ROWS:.*]] = layout.convert %{{.*}} : !layout.tensor<1 x 64 x 56 x 56 x f32>
  // CHECK: func.return %[[ROWS]]
  func.return %1 : !layout.tensor<1 x 64 x 56 x 56 x f32>
}

// Three channels fill no block: the first layer reads rows.
func.func @first_layer(%x: !layout.tensor<1 x 3 x 224 x 224 x f32>, %w: !layout.tensor<32 x 3 x 3 x 3 x f32>) {
  // CHECK: layout.convert %x : !layout.tensor<1 x 3 x 224 x 224 x f32, NCHW halo [0, 0, 1, 1, 0, 0, 1, 1]>
  // CHECK: layout.convert %w : !layout.tensor<32 x 3 x 3 x 3 x f32, Acdb32a>
  %0 = kernel.conv direct(%x, %w) strides [2, 2] pads [1, 1, 1, 1] : !layout.tensor<1 x 32 x 112 x 112 x f32>
  func.return
}

// Images are interpolated in channel blocks, but for those of few channels and elements that are only repeated.
func.func @resizes(%x: !layout.tensor<1 x 64 x 8 x 8 x f32>, %y: !layout.tensor<1 x 3 x 8 x 8 x f32>) {
  // CHECK: %[[BLOCKS:.*]] = layout.convert %x : !layout.tensor<1 x 64 x 8 x 8 x f32, NCHW16c>
  // CHECK: kernel.resize linear(%[[BLOCKS]]) : !layout.tensor<1 x 64 x 16 x 16 x f32, NCHW16c>
  %0 = kernel.resize linear(%x) : !layout.tensor<1 x 64 x 16 x 16 x f32>
  // CHECK: kernel.resize linear(%y) : !layout.tensor<1 x 3 x 16 x 16 x f32>
  %1 = kernel.resize linear(%y) : !layout.tensor<1 x 3 x 16 x 16 x f32>
  // CHECK: kernel.resize(%x) : !layout.tensor<1 x 64 x 16 x 16 x f32>
  %2 = kernel.resize(%x) : !layout.tensor<1 x 64 x 16 x 16 x f32>
  func.return
}

// Constant matrices are packed in panels; transposed ones too.
func.func @products(%x: !layout.tensor<N x 768 x f32>) {
  // CHECK: layout.convert {{.*}} : !layout.tensor<768 x 256 x f32, Ba64b>
  // CHECK: kernel.gemm
  %w = kernel.constant @w : !layout.tensor<768 x 256 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<N x 256 x f32>
  // CHECK: layout.convert {{.*}} : !layout.tensor<40 x 256 x f32, Ab48a>
  // CHECK: kernel.gemm
  %v = kernel.constant @v : !layout.tensor<40 x 256 x f32>
  %1 = kernel.gemm(%0, %v) transpose_b : !layout.tensor<N x 40 x f32>
  func.return
}

// im2col keeps rows of pixels, its weights lie in tiles of output channels; an indirect convolution sees NHWC.
func.func @other_algorithms(%x: !layout.tensor<1 x 24 x 20 x 20 x f32>, %w: !layout.tensor<36 x 24 x 3 x 3 x f32>, %s: !layout.tensor<N x 24 x H x W x f32>) {
  // CHECK: layout.convert %w : !layout.tensor<36 x 24 x 3 x 3 x f32, Abcd12a>
  // CHECK: kernel.conv im2col(%x, {{.*}} : !layout.tensor<1 x 36 x 20 x 20 x f32>
  %0 = kernel.conv im2col(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 36 x 20 x 20 x f32>
  // CHECK: layout.convert %x : !layout.tensor<1 x 24 x 20 x 20 x f32, NHWC halo [0, 0, 1, 1, 0, 0, 1, 1]>
  // CHECK: layout.convert %w : !layout.tensor<36 x 24 x 3 x 3 x f32, Acdb48a>
  // CHECK: kernel.conv indirect({{.*}} : !layout.tensor<1 x 36 x 20 x 20 x f32, NHWC>
  %1 = kernel.conv indirect(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 36 x 20 x 20 x f32>
  // Where sizes are not known the padding is found through a table instead.
  // CHECK: layout.convert %s : !layout.tensor<N x 24 x H x W x f32, NHWC>
  // CHECK: kernel.conv indirect({{.*}} : !layout.tensor<N x 36 x H x W x f32, NHWC>
  %2 = kernel.conv indirect(%s, %w) pads [1, 1, 1, 1] : !layout.tensor<N x 36 x H x W x f32>
  func.return
}

// Lanes run along the depth of a product of few columns: so lies its constant B.
// CHECK-LABEL: @few_columns
// CHECK: layout.convert %{{.*}} : !layout.tensor<256 x 3 x f32, ba>
func.func @few_columns(%x: !layout.tensor<2048 x 256 x f32>) -> !layout.tensor<2048 x 3 x f32> {
  %w = kernel.constant @w : !layout.tensor<256 x 3 x f32>
  %y = kernel.gemm(%x, %w) : !layout.tensor<2048 x 3 x f32>
  func.return %y : !layout.tensor<2048 x 3 x f32>
}

// Whole blocks of channels are copied as they lie; a part of a block is taken from rows.

// CHECK-LABEL: func.func @blocks
// CHECK:       kernel.slice(%2) starts [0, 16, 0, 0] : !layout.tensor<1 x 16 x 8 x 8 x f32, NCHW16c>
// CHECK:       layout.convert %2 : !layout.tensor<1 x 32 x 8 x 8 x f32>
// CHECK-NEXT:  layout.window

func.func @blocks(%x: !layout.tensor<1 x 32 x 8 x 8 x f32>, %w: !layout.tensor<32 x 32 x 1 x 1 x f32>) -> (!layout.tensor<1 x 16 x 8 x 8 x f32>, !layout.tensor<1 x 8 x 8 x 8 x f32>) {
  %0 = kernel.conv direct(%x, %w) : !layout.tensor<1 x 32 x 8 x 8 x f32>
  %1 = layout.window %0 at [0, 16, 0, 0] : !layout.tensor<1 x 16 x 8 x 8 x f32, NCHW window [0, 16, 0, 0, 0, 0, 0, 0]>
  %2 = layout.window %0 at [0, 8, 0, 0] : !layout.tensor<1 x 8 x 8 x 8 x f32, NCHW window [0, 8, 0, 0, 0, 16, 0, 0]>
  %3 = kernel.map(%1) : !layout.tensor<1 x 16 x 8 x 8 x f32> each(%a) {%n = arith.negf %a : f32}
  %4 = kernel.map(%2) : !layout.tensor<1 x 8 x 8 x 8 x f32> each(%a) {%n = arith.negf %a : f32}
  func.return %3, %4 : !layout.tensor<1 x 16 x 8 x 8 x f32>, !layout.tensor<1 x 8 x 8 x 8 x f32>
}
