// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @pools(%x: !graph.tensor<N x 8 x 16 x 16 x f32>) {
  %0 = graph.max_pool %x kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1] : (!graph.tensor<N x 8 x 16 x 16 x f32>) -> !graph.tensor<N x 8 x 8 x 8 x f32>
  %1 = graph.avg_pool %x kernel [2, 2] pads [0, 0, 1, 1] overhang [1, 1] count_include_pad : (!graph.tensor<N x 8 x 16 x 16 x f32>) -> !graph.tensor<N x 8 x 16 x 16 x f32>
  %2, %3 = graph.max_pool_with_indices %x kernel [2, 2] strides [2, 2] column_major : (!graph.tensor<N x 8 x 16 x 16 x f32>) -> (!graph.tensor<N x 8 x 8 x 8 x f32>, !graph.tensor<N x 8 x 8 x 8 x i64>)
  %4 = graph.max_pool %x kernel [2, 2] dilations [3, 3] : (!graph.tensor<N x 8 x 16 x 16 x f32>) -> !graph.tensor<N x 8 x 13 x 13 x f32>
  func.return
}

func.func @resize(%x: !graph.tensor<N x 8 x H x W x f32>) {
  %0 = graph.resize nearest %x coordinates asymmetric nearest floor scales [1.0, 1.0, 2.0, 2.0] : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x (2 * H) x (2 * W) x f32>
  %1 = graph.resize linear %x : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x 10 x 20 x f32>
  %2 = graph.resize cubic %x scales [1.0, 1.0, 0.0, 0.0] common_scale [10, H] cubic_coefficient -0.5 exclude_outside antialias : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x 10 x 20 x f32>
  %3 = graph.resize linear %x coordinates tf_crop_and_resize roi [0.0, 0.0, 0.25, 0.25, 1.0, 1.0, 0.75, 0.75] extrapolation 10.0 : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x 10 x 20 x f32>
  func.return
}

// CHECK:      func.func @pools(%x: !graph.tensor<N x 8 x 16 x 16 x f32>) {
// CHECK-NEXT:   %0 = graph.max_pool %x kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1] : (!graph.tensor<N x 8 x 16 x 16 x f32>) -> !graph.tensor<N x 8 x 8 x 8 x f32>
// CHECK-NEXT:   %1 = graph.avg_pool %x kernel [2, 2] pads [0, 0, 1, 1] overhang [1, 1] count_include_pad : !graph.tensor<N x 8 x 16 x 16 x f32>
// CHECK-NEXT:   %2, %3 = graph.max_pool_with_indices %x kernel [2, 2] strides [2, 2] column_major : (!graph.tensor<N x 8 x 16 x 16 x f32>) -> (!graph.tensor<N x 8 x 8 x 8 x f32>, !graph.tensor<N x 8 x 8 x 8 x i64>)
// CHECK-NEXT:   %4 = graph.max_pool %x kernel [2, 2] dilations [3, 3] : (!graph.tensor<N x 8 x 16 x 16 x f32>) -> !graph.tensor<N x 8 x 13 x 13 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @resize(%x: !graph.tensor<N x 8 x H x W x f32>) {
// CHECK-NEXT:   %0 = graph.resize nearest %x coordinates asymmetric nearest floor scales [1.0, 1.0, 2.0, 2.0] : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x (2 * H) x (2 * W) x f32>
// CHECK-NEXT:   %1 = graph.resize linear %x : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x 10 x 20 x f32>
// CHECK-NEXT:   %2 = graph.resize cubic %x scales [1.0, 1.0, 0.0, 0.0] common_scale [10, H] cubic_coefficient -0.5 exclude_outside antialias : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x 10 x 20 x f32>
// CHECK-NEXT:   %3 = graph.resize linear %x coordinates tf_crop_and_resize roi [0.0, 0.0, 0.25, 0.25, 1.0, 1.0, 0.75, 0.75] extrapolation 10.0 : (!graph.tensor<N x 8 x H x W x f32>) -> !graph.tensor<N x 8 x 10 x 20 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
