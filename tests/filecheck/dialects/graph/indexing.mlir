// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @gather_and_scatter(%x: !graph.tensor<N x 8 x 16 x f32>, %i: !graph.tensor<3 x 2 x i64>, %e: !graph.tensor<N x 2 x 16 x i64>, %u: !graph.tensor<N x 2 x 16 x f32>, %v: !graph.tensor<3 x 16 x f32>) {
  %0 = graph.gather %x, %i axis 1 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>) -> !graph.tensor<N x 3 x 2 x 16 x f32>
  %1 = graph.gather %x, %i : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>) -> !graph.tensor<3 x 2 x 8 x 16 x f32>
  %2 = graph.gather_elements %x, %e axis 1 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<N x 2 x 16 x i64>) -> !graph.tensor<N x 2 x 16 x f32>
  %3 = graph.gather_nd %x, %i : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>) -> !graph.tensor<3 x 16 x f32>
  %4 = graph.scatter_elements %x, %e, %u axis 1 reduction add : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<N x 2 x 16 x i64>, !graph.tensor<N x 2 x 16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
  %5 = graph.scatter_nd %x, %i, %v : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>, !graph.tensor<3 x 16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
  func.return
}

func.func @selection(%x: !graph.tensor<N x 100 x f32>, %k: !graph.tensor<1 x i64>, %i: !graph.tensor<N x i64>, %v: !graph.tensor<2 x f32>, %boxes: !graph.tensor<1 x 50 x 4 x f32>, %scores: !graph.tensor<1 x 2 x 50 x f32>, %t: !graph.tensor<1 x f32>) {
  %0 = graph.one_hot %i, %v axis 1 : (!graph.tensor<N x i64>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 10 x f32>
  %1, %2 = graph.topk %x, %k axis 1 smallest : (!graph.tensor<N x 100 x f32>, !graph.tensor<1 x i64>) -> (!graph.tensor<N x top x f32>, !graph.tensor<N x top x i64>)
  %3 = graph.nonzero %x : (!graph.tensor<N x 100 x f32>) -> !graph.tensor<2 x found x i64>
  %4, %5, %6, %7 = graph.unique %x axes [0] unsorted : (!graph.tensor<N x 100 x f32>) -> (!graph.tensor<M x 100 x f32>, !graph.tensor<M x i64>, !graph.tensor<N x i64>, !graph.tensor<M x i64>)
  %8 = graph.non_max_suppression %boxes, %scores, %k, %t, %t center_point_box : (!graph.tensor<1 x 50 x 4 x f32>, !graph.tensor<1 x 2 x 50 x f32>, !graph.tensor<1 x i64>, !graph.tensor<1 x f32>, !graph.tensor<1 x f32>) -> !graph.tensor<kept x 3 x i64>
  func.return
}

func.func @sampling(%x: !graph.tensor<N x 3 x 16 x 16 x f32>, %g: !graph.tensor<N x 4 x 5 x 2 x f32>, %rois: !graph.tensor<R x 4 x f32>, %i: !graph.tensor<R x i64>) {
  %0 = graph.grid_sample %x, %g mode cubic padding border align_corners : (!graph.tensor<N x 3 x 16 x 16 x f32>, !graph.tensor<N x 4 x 5 x 2 x f32>) -> !graph.tensor<N x 3 x 4 x 5 x f32>
  %1 = graph.roi_align %x, %rois, %i size [2, 3] sampling_ratio 2 spatial_scale 0.5 half_pixel : (!graph.tensor<N x 3 x 16 x 16 x f32>, !graph.tensor<R x 4 x f32>, !graph.tensor<R x i64>) -> !graph.tensor<R x 3 x 2 x 3 x f32>
  func.return
}

// CHECK:      func.func @gather_and_scatter(%x: !graph.tensor<N x 8 x 16 x f32>, %i: !graph.tensor<3 x 2 x i64>, %e: !graph.tensor<N x 2 x 16 x i64>, %u: !graph.tensor<N x 2 x 16 x f32>, %v: !graph.tensor<3 x 16 x f32>) {
// CHECK-NEXT:   %0 = graph.gather %x, %i axis 1 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>) -> !graph.tensor<N x 3 x 2 x 16 x f32>
// CHECK-NEXT:   %1 = graph.gather %x, %i : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>) -> !graph.tensor<3 x 2 x 8 x 16 x f32>
// CHECK-NEXT:   %2 = graph.gather_elements %x, %e axis 1 : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<N x 2 x 16 x i64>) -> !graph.tensor<N x 2 x 16 x f32>
// CHECK-NEXT:   %3 = graph.gather_nd %x, %i : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>) -> !graph.tensor<3 x 16 x f32>
// CHECK-NEXT:   %4 = graph.scatter_elements %x, %e, %u axis 1 reduction add : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<N x 2 x 16 x i64>, !graph.tensor<N x 2 x 16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
// CHECK-NEXT:   %5 = graph.scatter_nd %x, %i, %v : (!graph.tensor<N x 8 x 16 x f32>, !graph.tensor<3 x 2 x i64>, !graph.tensor<3 x 16 x f32>) -> !graph.tensor<N x 8 x 16 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @selection(%x: !graph.tensor<N x 100 x f32>, %k: !graph.tensor<1 x i64>, %i: !graph.tensor<N x i64>, %v: !graph.tensor<2 x f32>, %boxes: !graph.tensor<1 x 50 x 4 x f32>, %scores: !graph.tensor<1 x 2 x 50 x f32>, %t: !graph.tensor<1 x f32>) {
// CHECK-NEXT:   %0 = graph.one_hot %i, %v axis 1 : (!graph.tensor<N x i64>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 10 x f32>
// CHECK-NEXT:   %1, %2 = graph.topk %x, %k axis 1 smallest : (!graph.tensor<N x 100 x f32>, !graph.tensor<1 x i64>) -> (!graph.tensor<N x top x f32>, !graph.tensor<N x top x i64>)
// CHECK-NEXT:   %3 = graph.nonzero %x : (!graph.tensor<N x 100 x f32>) -> !graph.tensor<2 x found x i64>
// CHECK-NEXT:   %4, %5, %6, %7 = graph.unique %x axes [0] unsorted : (!graph.tensor<N x 100 x f32>) -> (!graph.tensor<M x 100 x f32>, !graph.tensor<M x i64>, !graph.tensor<N x i64>, !graph.tensor<M x i64>)
// CHECK-NEXT:   %8 = graph.non_max_suppression %boxes, %scores, %k, %t, %t center_point_box : (!graph.tensor<1 x 50 x 4 x f32>, !graph.tensor<1 x 2 x 50 x f32>, !graph.tensor<1 x i64>, !graph.tensor<1 x f32>, !graph.tensor<1 x f32>) -> !graph.tensor<kept x 3 x i64>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @sampling(%x: !graph.tensor<N x 3 x 16 x 16 x f32>, %g: !graph.tensor<N x 4 x 5 x 2 x f32>, %rois: !graph.tensor<R x 4 x f32>, %i: !graph.tensor<R x i64>) {
// CHECK-NEXT:   %0 = graph.grid_sample %x, %g mode cubic padding border align_corners : (!graph.tensor<N x 3 x 16 x 16 x f32>, !graph.tensor<N x 4 x 5 x 2 x f32>) -> !graph.tensor<N x 3 x 4 x 5 x f32>
// CHECK-NEXT:   %1 = graph.roi_align %x, %rois, %i size [2, 3] sampling_ratio 2 spatial_scale 0.5 half_pixel : (!graph.tensor<N x 3 x 16 x 16 x f32>, !graph.tensor<R x 4 x f32>, !graph.tensor<R x i64>) -> !graph.tensor<R x 3 x 2 x 3 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
