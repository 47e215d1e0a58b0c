// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @layouts(%x: !layout.tensor<N x 64 x H x W x f32>, %w: !layout.tensor<64 x 64 x 3 x 3 x f32>) {
  %0 = layout.convert %x : !layout.tensor<N x 64 x H x W x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>
  %1 = layout.convert %w : !layout.tensor<64 x 64 x 3 x 3 x f32, ABcd16b32a>
  %2 = layout.transpose %x [0, 2, 3, 1] : !layout.tensor<N x H x W x 64 x f32, adbc>
  %3 = layout.transpose %2 [0, 3, 1, 2] : !layout.tensor<N x 64 x H x W x f32>
  %4 = layout.reshape %x : !layout.tensor<N x 64 x (H * W) x f32>
  %6 = layout.reshape %2 : !layout.tensor<N x H x W x 4 x 16 x f32, adebc>
  %5 = layout.window %x at [0, 16, 1, 0] : !layout.tensor<N x 32 x (H - 1) x W x f32, NCHW window [0, 16, 1, 0, 0, 16, 0, 0]>
  func.return
}

// CHECK:      func.func @layouts(%x: !layout.tensor<N x 64 x H x W x f32>, %w: !layout.tensor<64 x 64 x 3 x 3 x f32>) {
// CHECK-NEXT:   %0 = layout.convert %x : !layout.tensor<N x 64 x H x W x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>
// CHECK-NEXT:   %1 = layout.convert %w : !layout.tensor<64 x 64 x 3 x 3 x f32, ABcd16b32a>
// CHECK-NEXT:   %2 = layout.transpose %x [0, 2, 3, 1] : !layout.tensor<N x H x W x 64 x f32, adbc>
// CHECK-NEXT:   %3 = layout.transpose %2 [0, 3, 1, 2] : !layout.tensor<N x 64 x H x W x f32>
// CHECK-NEXT:   %4 = layout.reshape %x : !layout.tensor<N x 64 x (H * W) x f32>
// CHECK-NEXT:   %5 = layout.reshape %2 : !layout.tensor<N x H x W x 4 x 16 x f32, adebc>
// CHECK-NEXT:   %6 = layout.window %x at [0, 16, 1, 0] : !layout.tensor<N x 32 x (H - 1) x W x f32, NCHW window [0, 16, 1, 0, 0, 16, 0, 0]>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
