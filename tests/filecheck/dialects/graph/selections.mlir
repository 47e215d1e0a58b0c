// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @sizes(%x: !graph.tensor<N x 100 x f32>, %k: !graph.tensor<1 x i64>) {
  %0 = graph.count_nonzero %x : (!graph.tensor<N x 100 x f32>) -> !graph.tensor<1 x i64>
  %1 = graph.bind_sizes %0 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
  %2, %3 = graph.topk %x, %k axis 1 smallest computed : (!graph.tensor<N x 100 x f32>, !graph.tensor<1 x i64>) -> (!graph.tensor<N x found x f32>, !graph.tensor<N x found x i64>)
  func.return
}

func.func @boxes(%b: !graph.tensor<1 x N x 4 x f32>, %s: !graph.tensor<1 x 80 x N x f32>, %m: !graph.tensor<i64>, %t: !graph.tensor<f32>) {
  %0, %1 = graph.suppress_boxes %b, %s, %m, %t, %t center_point_box : (!graph.tensor<1 x N x 4 x f32>, !graph.tensor<1 x 80 x N x f32>, !graph.tensor<i64>, !graph.tensor<f32>, !graph.tensor<f32>) -> (!graph.tensor<1 x 80 x N x i64>, !graph.tensor<1 x 80 x i64>)
  %2 = graph.list_boxes %0, %1 : (!graph.tensor<1 x 80 x N x i64>, !graph.tensor<1 x 80 x i64>) -> !graph.tensor<rows x 3 x i64>
  func.return
}

func.func @distinct(%x: !graph.tensor<N x 3 x f32>) {
  %0, %1, %2, %3 = graph.find_distinct %x unsorted : (!graph.tensor<N x 3 x f32>) -> (!graph.tensor<N x i64>, !graph.tensor<N x i64>, !graph.tensor<N x i64>, !graph.tensor<1 x i64>)
  func.return
}

// CHECK:      func.func @sizes(%x: !graph.tensor<N x 100 x f32>, %k: !graph.tensor<1 x i64>) {
// CHECK-NEXT:   %0 = graph.count_nonzero %x : (!graph.tensor<N x 100 x f32>) -> !graph.tensor<1 x i64>
// CHECK-NEXT:   %1 = graph.bind_sizes %0 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
// CHECK-NEXT:   %2, %3 = graph.topk %x, %k axis 1 smallest computed : (!graph.tensor<N x 100 x f32>, !graph.tensor<1 x i64>) -> (!graph.tensor<N x found x f32>, !graph.tensor<N x found x i64>)
// CHECK:      func.func @boxes
// CHECK-NEXT:   %0, %1 = graph.suppress_boxes %b, %s, %m, %t, %t center_point_box : (!graph.tensor<1 x N x 4 x f32>, !graph.tensor<1 x 80 x N x f32>, !graph.tensor<i64>, !graph.tensor<f32>, !graph.tensor<f32>) -> (!graph.tensor<1 x 80 x N x i64>, !graph.tensor<1 x 80 x i64>)
// CHECK-NEXT:   %2 = graph.list_boxes %0, %1 : (!graph.tensor<1 x 80 x N x i64>, !graph.tensor<1 x 80 x i64>) -> !graph.tensor<rows x 3 x i64>
// CHECK:      func.func @distinct
// CHECK-NEXT:   %0, %1, %2, %3 = graph.find_distinct %x unsorted : (!graph.tensor<N x 3 x f32>) -> (!graph.tensor<N x i64>, !graph.tensor<N x i64>, !graph.tensor<N x i64>, !graph.tensor<1 x i64>)
