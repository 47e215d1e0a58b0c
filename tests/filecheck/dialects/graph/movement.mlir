// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @movement(%x: !graph.tensor<N x 8 x H x f32>, %s: !graph.tensor<f32>, %n: !graph.tensor<N x i64>) {
  %0 = graph.reshape %x : (!graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x (8 * H) x f32>
  %1 = graph.transpose %x permutation [0, 2, 1] : (!graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x H x 8 x f32>
  %2 = graph.broadcast_to %s : (!graph.tensor<f32>) -> !graph.tensor<N x 8 x H x f32>
  %3 = graph.slice %x axes [1, 2] starts [0, 1] ends [8, H - 1] steps [2, 1] : (!graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x 4 x (H - 2) x f32>
  %4 = graph.slice %x axes [2] starts [H - 1] ends [-1] steps [-1] : (!graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x 8 x H x f32>
  %5 = graph.concat %x, %3, %x axis 1 : (!graph.tensor<N x 8 x H x f32>, !graph.tensor<N x 4 x (H - 2) x f32>, !graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x 20 x H x f32>
  %6 = graph.pad %x, %s mode reflect pads [0, 0, 1, 0, 0, N] : (!graph.tensor<N x 8 x H x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 8 x (H + N + 1) x f32>
  %7 = graph.reverse_sequence %x, %n time_axis 2 batch_axis 0 : (!graph.tensor<N x 8 x H x f32>, !graph.tensor<N x i64>) -> !graph.tensor<N x 8 x H x f32>
  %8 = graph.trilu %x upper diagonal -1 : !graph.tensor<N x 8 x H x f32>
  func.return
}

func.func @constants() {
  %0 = graph.constant @layer1.weight : !graph.tensor<64 x 64 x 3 x 3 x f32>
  %1 = graph.constant @"/model/Constant_0 output" : !graph.tensor<i64>
  %2 = graph.dim_values [N, 64, H floordiv 2] : !graph.tensor<3 x i64>
  %3 = graph.dim_values [N] : !graph.tensor<i32>
  %4 = graph.iota : !graph.tensor<N x i64>
  %5 = graph.range %1, %1, %1 : (!graph.tensor<i64>, !graph.tensor<i64>, !graph.tensor<i64>) -> !graph.tensor<found x i64>
  func.return
}

func.func @dynamic(%x: !graph.tensor<N x 8 x f32>, %s: !graph.tensor<f32>, %i: !graph.tensor<2 x i64>, %p: !graph.tensor<4 x i64>) {
  %0 = graph.dynamic_reshape %x, %i allow_zero : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
  %1 = graph.dynamic_expand %s, %i : (!graph.tensor<f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
  %2 = graph.dynamic_slice %x, %i, %i, %i, %i : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>, !graph.tensor<2 x i64>, !graph.tensor<2 x i64>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
  %3 = graph.dynamic_pad %x, %s, %p mode edge : (!graph.tensor<N x 8 x f32>, !graph.tensor<f32>, !graph.tensor<4 x i64>) -> !graph.tensor<rows x columns x f32>
  %4 = graph.dynamic_resize linear %x, %i coordinates align_corners : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
  %5 = graph.dynamic_reduce sum %x, %i keepdims none_is_none : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
  %6 = graph.dynamic_squeeze %x, %i : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<f32>
  %7 = graph.dynamic_unsqueeze %s, %i : (!graph.tensor<f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
  func.return
}

// CHECK:      func.func @movement(%x: !graph.tensor<N x 8 x H x f32>, %s: !graph.tensor<f32>, %n: !graph.tensor<N x i64>) {
// CHECK-NEXT:   %0 = graph.reshape %x : (!graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x (8 * H) x f32>
// CHECK-NEXT:   %1 = graph.transpose %x permutation [0, 2, 1] : (!graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x H x 8 x f32>
// CHECK-NEXT:   %2 = graph.broadcast_to %s : (!graph.tensor<f32>) -> !graph.tensor<N x 8 x H x f32>
// CHECK-NEXT:   %3 = graph.slice %x axes [1, 2] starts [0, 1] ends [8, H - 1] steps [2, 1] : (!graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x 4 x (H - 2) x f32>
// CHECK-NEXT:   %4 = graph.slice %x axes [2] starts [H - 1] ends [-1] steps [-1] : !graph.tensor<N x 8 x H x f32>
// CHECK-NEXT:   %5 = graph.concat %x, %3, %x axis 1 : (!graph.tensor<N x 8 x H x f32>, !graph.tensor<N x 4 x (H - 2) x f32>, !graph.tensor<N x 8 x H x f32>) -> !graph.tensor<N x 20 x H x f32>
// CHECK-NEXT:   %6 = graph.pad %x, %s mode reflect pads [0, 0, 1, 0, 0, N] : (!graph.tensor<N x 8 x H x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 8 x (H + N + 1) x f32>
// CHECK-NEXT:   %7 = graph.reverse_sequence %x, %n time_axis 2 batch_axis 0 : (!graph.tensor<N x 8 x H x f32>, !graph.tensor<N x i64>) -> !graph.tensor<N x 8 x H x f32>
// CHECK-NEXT:   %8 = graph.trilu %x upper diagonal -1 : !graph.tensor<N x 8 x H x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @constants() {
// CHECK-NEXT:   %0 = graph.constant @layer1.weight : !graph.tensor<64 x 64 x 3 x 3 x f32>
// CHECK-NEXT:   %1 = graph.constant @"/model/Constant_0 output" : !graph.tensor<i64>
// CHECK-NEXT:   %2 = graph.dim_values [N, 64, H floordiv 2] : !graph.tensor<3 x i64>
// CHECK-NEXT:   %3 = graph.dim_values [N] : !graph.tensor<i32>
// CHECK-NEXT:   %4 = graph.iota : !graph.tensor<N x i64>
// CHECK-NEXT:   %5 = graph.range %1, %1, %1 : (!graph.tensor<i64>, !graph.tensor<i64>, !graph.tensor<i64>) -> !graph.tensor<found x i64>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @dynamic(%x: !graph.tensor<N x 8 x f32>, %s: !graph.tensor<f32>, %i: !graph.tensor<2 x i64>, %p: !graph.tensor<4 x i64>) {
// CHECK-NEXT:   %0 = graph.dynamic_reshape %x, %i allow_zero : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
// CHECK-NEXT:   %1 = graph.dynamic_expand %s, %i : (!graph.tensor<f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
// CHECK-NEXT:   %2 = graph.dynamic_slice %x, %i, %i, %i, %i : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>, !graph.tensor<2 x i64>, !graph.tensor<2 x i64>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
// CHECK-NEXT:   %3 = graph.dynamic_pad %x, %s, %p mode edge : (!graph.tensor<N x 8 x f32>, !graph.tensor<f32>, !graph.tensor<4 x i64>) -> !graph.tensor<rows x columns x f32>
// CHECK-NEXT:   %4 = graph.dynamic_resize linear %x, %i coordinates align_corners : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
// CHECK-NEXT:   %5 = graph.dynamic_reduce sum %x, %i keepdims none_is_none : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
// CHECK-NEXT:   %6 = graph.dynamic_squeeze %x, %i : (!graph.tensor<N x 8 x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<f32>
// CHECK-NEXT:   %7 = graph.dynamic_unsqueeze %s, %i : (!graph.tensor<f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x columns x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
