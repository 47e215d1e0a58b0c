// RUN: lamina-opt %s -p kernel-fold-constants --constant 'square=dense<1.0> : tensor<4x4xf32>' | filecheck %s

func.func @packed() -> (!layout.tensor<4 x 4 x f32, Ba16b>, !layout.tensor<4 x 4 x f32, Ba16b>) {
  %w = kernel.constant @square : !layout.tensor<4 x 4 x f32>
  %0 = layout.convert %w : !layout.tensor<4 x 4 x f32, Ba16b>
  %1 = layout.convert %w : !layout.tensor<4 x 4 x f32, Ba16b>
  func.return %0, %1 : !layout.tensor<4 x 4 x f32, Ba16b>, !layout.tensor<4 x 4 x f32, Ba16b>
}

// A part of a constant has memory of its own.

func.func @views() -> !layout.tensor<2 x f32> {
  %w = kernel.constant @square : !layout.tensor<4 x 4 x f32>
  %0 = layout.transpose %w [1, 0] : !layout.tensor<4 x 4 x f32, ba>
  %1 = layout.window %0 at [1, 2] : !layout.tensor<1 x 2 x f32, ba window [1, 2, 2, 0]>
  %2 = layout.convert %1 : !layout.tensor<1 x 2 x f32>
  %3 = layout.reshape %2 : !layout.tensor<2 x f32>
  func.return %3 : !layout.tensor<2 x f32>
}

// How much of this constant is read is only known when the model runs.

func.func @symbolic() -> !layout.tensor<N x f32, a window [0, 4 - N]> {
  %w = kernel.constant @vector : !layout.tensor<4 x f32>
  %0 = layout.window %w at [0] : !layout.tensor<N x f32, a window [0, 4 - N]>
  func.return %0 : !layout.tensor<N x f32, a window [0, 4 - N]>
}

// CHECK:      func.func @packed() -> (!layout.tensor<4 x 4 x f32, Ba16b>, !layout.tensor<4 x 4 x f32, Ba16b>) {
// CHECK-NEXT:   %w = kernel.constant @square.blocked : !layout.tensor<4 x 4 x f32, Ba16b>
// CHECK-NEXT:   %w_1 = kernel.constant @square.blocked : !layout.tensor<4 x 4 x f32, Ba16b>
// CHECK-NEXT:   func.return %w, %w_1 : !layout.tensor<4 x 4 x f32, Ba16b>, !layout.tensor<4 x 4 x f32, Ba16b>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @views() -> !layout.tensor<2 x f32> {
// CHECK-NEXT:   %w = kernel.constant @square_1_1.ab_1 : !layout.tensor<2 x f32>
// CHECK-NEXT:   func.return %w : !layout.tensor<2 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @symbolic() -> !layout.tensor<N x f32, a window [0, (-1) * N + 4]> {
// CHECK-NEXT:   %w = kernel.constant @vector : !layout.tensor<4 x f32>
// CHECK-NEXT:   %0 = layout.window %w at [0] : !layout.tensor<N x f32, a window [0, (-1) * N + 4]>
// CHECK-NEXT:   func.return %0 : !layout.tensor<N x f32, a window [0, (-1) * N + 4]>
// CHECK-NEXT: }
