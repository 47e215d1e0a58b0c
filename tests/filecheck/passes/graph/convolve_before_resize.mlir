// RUN: lamina-opt %s --machine avx512 -p graph-convolve-before-resize --constant 'w=dense<0.5> : tensor<19x256x1x1xf32>' --constant 'wide=dense<0.5> : tensor<256x8x1x1xf32>' --constant 'both=dense<0.5> : tensor<16x24x1x1xf32>' --constant 'bias=dense<1.0> : tensor<16xf32>' --constant 'window=dense<0.5> : tensor<8x8x3x3xf32>' | filecheck %s

func.func @one(%x: !graph.tensor<N x 256 x H x W x f32>) -> !graph.tensor<N x 19 x 4 * H x 4 * W x f32> {
  %w = graph.constant @w : !graph.tensor<19 x 256 x 1 x 1 x f32>
  %0 = graph.resize linear %x scales [1., 1., 4., 4.] : (!graph.tensor<N x 256 x H x W x f32>) -> !graph.tensor<N x 256 x 4 * H x 4 * W x f32>
  %1 = graph.conv %0, %w : (!graph.tensor<N x 256 x 4 * H x 4 * W x f32>, !graph.tensor<19 x 256 x 1 x 1 x f32>) -> !graph.tensor<N x 19 x 4 * H x 4 * W x f32>
  func.return %1 : !graph.tensor<N x 19 x 4 * H x 4 * W x f32>
}

// Of the parts of a concatenation those that are enlarged; the bias goes with another.

func.func @parts(%x: !graph.tensor<1 x 16 x 8 x 8 x f32>, %y: !graph.tensor<1 x 8 x 16 x 16 x f32>) -> !graph.tensor<1 x 16 x 16 x 16 x f32> {
  %w = graph.constant @both : !graph.tensor<16 x 24 x 1 x 1 x f32>
  %bias = graph.constant @bias : !graph.tensor<16 x f32>
  %0 = graph.resize nearest %x : (!graph.tensor<1 x 16 x 8 x 8 x f32>) -> !graph.tensor<1 x 16 x 16 x 16 x f32>
  %1 = graph.concat %0, %y axis 1 : (!graph.tensor<1 x 16 x 16 x 16 x f32>, !graph.tensor<1 x 8 x 16 x 16 x f32>) -> !graph.tensor<1 x 24 x 16 x 16 x f32>
  %2 = graph.conv %1, %w, %bias : (!graph.tensor<1 x 24 x 16 x 16 x f32>, !graph.tensor<16 x 24 x 1 x 1 x f32>, !graph.tensor<16 x f32>) -> !graph.tensor<1 x 16 x 16 x 16 x f32>
  func.return %2 : !graph.tensor<1 x 16 x 16 x 16 x f32>
}

// An image that shrinks, windows of several pixels, a region whose outside is a number of its own, a reader of the
// enlarged image, and channels that become more than the products saved are worth.

func.func @kept(%x: !graph.tensor<1 x 8 x 8 x 8 x f32>) -> (!graph.tensor<1 x 256 x 4 x 4 x f32>, !graph.tensor<1 x 8 x 14 x 14 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>) {
  %wide = graph.constant @wide : !graph.tensor<256 x 8 x 1 x 1 x f32>
  %window = graph.constant @window : !graph.tensor<8 x 8 x 3 x 3 x f32>
  %0 = graph.resize linear %x : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 4 x 4 x f32>
  %1 = graph.conv %0, %wide : (!graph.tensor<1 x 8 x 4 x 4 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 4 x 4 x f32>
  %2 = graph.resize linear %x : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
  %3 = graph.conv %2, %window : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<8 x 8 x 3 x 3 x f32>) -> !graph.tensor<1 x 8 x 14 x 14 x f32>
  %4 = graph.conv %2, %wide : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 16 x 16 x f32>
  %5 = graph.resize linear %x coordinates tf_crop_and_resize roi [0., 0., 0., 0., 1., 1., 2., 2.] : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
  %6 = graph.conv %5, %wide : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 16 x 16 x f32>
  %7 = graph.resize linear %x : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
  %8 = graph.conv %7, %wide : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 16 x 16 x f32>
  func.return %1, %3, %4, %6, %8 : !graph.tensor<1 x 256 x 4 x 4 x f32>, !graph.tensor<1 x 8 x 14 x 14 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>
}

// CHECK:      func.func @one(%x: !graph.tensor<N x 256 x H x W x f32>) -> !graph.tensor<N x 19 x (4 * H) x (4 * W) x f32> {
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<19 x 256 x 1 x 1 x f32>
// CHECK-NEXT:   %0 = graph.conv %x, %w : (!graph.tensor<N x 256 x H x W x f32>, !graph.tensor<19 x 256 x 1 x 1 x f32>) -> !graph.tensor<N x 19 x H x W x f32>
// CHECK-NEXT:   %1 = graph.resize linear %0 scales [1.0, 1.0, 4.0, 4.0] : (!graph.tensor<N x 19 x H x W x f32>) -> !graph.tensor<N x 19 x (4 * H) x (4 * W) x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<N x 19 x (4 * H) x (4 * W) x f32>
// CHECK-NEXT: }
// CHECK:      func.func @parts(%x: !graph.tensor<1 x 16 x 8 x 8 x f32>, %y: !graph.tensor<1 x 8 x 16 x 16 x f32>) -> !graph.tensor<1 x 16 x 16 x 16 x f32> {
// CHECK-NEXT:   %w = graph.constant @both : !graph.tensor<16 x 24 x 1 x 1 x f32>
// CHECK-NEXT:   %bias = graph.constant @bias : !graph.tensor<16 x f32>
// CHECK-NEXT:   %0 = graph.constant @both_1 : !graph.tensor<16 x 16 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = graph.constant @both_2 : !graph.tensor<16 x 8 x 1 x 1 x f32>
// CHECK-NEXT:   %2 = graph.conv %x, %0 : (!graph.tensor<1 x 16 x 8 x 8 x f32>, !graph.tensor<16 x 16 x 1 x 1 x f32>) -> !graph.tensor<1 x 16 x 8 x 8 x f32>
// CHECK-NEXT:   %3 = graph.resize nearest %2 : (!graph.tensor<1 x 16 x 8 x 8 x f32>) -> !graph.tensor<1 x 16 x 16 x 16 x f32>
// CHECK-NEXT:   %4 = graph.conv %y, %1, %bias : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<16 x 8 x 1 x 1 x f32>, !graph.tensor<16 x f32>) -> !graph.tensor<1 x 16 x 16 x 16 x f32>
// CHECK-NEXT:   %5 = graph.add %4, %3 : !graph.tensor<1 x 16 x 16 x 16 x f32>
// CHECK-NEXT:   func.return %5 : !graph.tensor<1 x 16 x 16 x 16 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @kept(%x: !graph.tensor<1 x 8 x 8 x 8 x f32>) -> (!graph.tensor<1 x 256 x 4 x 4 x f32>, !graph.tensor<1 x 8 x 14 x 14 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>) {
// CHECK-NEXT:   %wide = graph.constant @wide : !graph.tensor<256 x 8 x 1 x 1 x f32>
// CHECK-NEXT:   %window = graph.constant @window : !graph.tensor<8 x 8 x 3 x 3 x f32>
// CHECK-NEXT:   %0 = graph.resize linear %x : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 4 x 4 x f32>
// CHECK-NEXT:   %1 = graph.conv %0, %wide : (!graph.tensor<1 x 8 x 4 x 4 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 4 x 4 x f32>
// CHECK-NEXT:   %2 = graph.resize linear %x : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
// CHECK-NEXT:   %3 = graph.conv %2, %window : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<8 x 8 x 3 x 3 x f32>) -> !graph.tensor<1 x 8 x 14 x 14 x f32>
// CHECK-NEXT:   %4 = graph.conv %2, %wide : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 16 x 16 x f32>
// CHECK-NEXT:   %5 = graph.resize linear %x coordinates tf_crop_and_resize roi [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0] : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
// CHECK-NEXT:   %6 = graph.conv %5, %wide : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 16 x 16 x f32>
// CHECK-NEXT:   %7 = graph.resize linear %x : (!graph.tensor<1 x 8 x 8 x 8 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
// CHECK-NEXT:   %8 = graph.conv %7, %wide : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<256 x 8 x 1 x 1 x f32>) -> !graph.tensor<1 x 256 x 16 x 16 x f32>
// CHECK-NEXT:   func.return %1, %3, %4, %6, %8 : !graph.tensor<1 x 256 x 4 x 4 x f32>, !graph.tensor<1 x 8 x 14 x 14 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>, !graph.tensor<1 x 256 x 16 x 16 x f32>
// CHECK-NEXT: }
