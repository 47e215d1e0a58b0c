// RUN: lamina-opt %s -p graph-fold-constants,graph-fold-padding,graph-dead-code --constant 'zero=dense<0.0> : tensor<f32>' --constant 'one=dense<1.0> : tensor<f32>' | filecheck %s

func.func @conv(%x: !graph.tensor<1 x 8 x 16 x 16 x f32>, %w: !graph.tensor<8 x 8 x 3 x 3 x f32>) -> (!graph.tensor<1 x 8 x 17 x 17 x f32>, !graph.tensor<1 x 8 x 16 x 16 x f32>) {
  %zero = graph.constant @zero : !graph.tensor<f32>
  %one = graph.constant @one : !graph.tensor<f32>
  %0 = graph.pad %x, %zero pads [0, 0, 0, 0, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x 8 x 17 x 17 x f32>
  %1 = graph.conv %0, %w pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 17 x 17 x f32>, !graph.tensor<8 x 8 x 3 x 3 x f32>) -> !graph.tensor<1 x 8 x 17 x 17 x f32>
  %2 = graph.pad %x, %one pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x 8 x 18 x 18 x f32>
  %3 = graph.conv %2, %w : (!graph.tensor<1 x 8 x 18 x 18 x f32>, !graph.tensor<8 x 8 x 3 x 3 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
  func.return %1, %3 : !graph.tensor<1 x 8 x 17 x 17 x f32>, !graph.tensor<1 x 8 x 16 x 16 x f32>
}

// Zeros may be the largest in a window; -inf never is.

func.func @pools(%x: !graph.tensor<1 x 8 x 16 x 16 x f32>) -> (!graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>) {
  %zero = graph.constant @zero : !graph.tensor<f32>
  %low = graph.log %zero : !graph.tensor<f32>
  %0 = graph.pad %x, %zero pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x 8 x 18 x 18 x f32>
  %1 = graph.max_pool %0 kernel [2, 2] strides [2, 2] : (!graph.tensor<1 x 8 x 18 x 18 x f32>) -> !graph.tensor<1 x 8 x 9 x 9 x f32>
  %2 = graph.avg_pool %0 kernel [2, 2] strides [2, 2] : (!graph.tensor<1 x 8 x 18 x 18 x f32>) -> !graph.tensor<1 x 8 x 9 x 9 x f32>
  %3 = graph.pad %x, %low pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x 8 x 18 x 18 x f32>
  %4 = graph.max_pool %3 kernel [2, 2] strides [2, 2] : (!graph.tensor<1 x 8 x 18 x 18 x f32>) -> !graph.tensor<1 x 8 x 9 x 9 x f32>
  func.return %1, %2, %4 : !graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>
}

// CHECK:      func.func @conv(%x: !graph.tensor<1 x 8 x 16 x 16 x f32>, %w: !graph.tensor<8 x 8 x 3 x 3 x f32>) -> (!graph.tensor<1 x 8 x 17 x 17 x f32>, !graph.tensor<1 x 8 x 16 x 16 x f32>) {
// CHECK-NEXT:   %one = graph.constant @one : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.conv %x, %w pads [1, 1, 2, 2] : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<8 x 8 x 3 x 3 x f32>) -> !graph.tensor<1 x 8 x 17 x 17 x f32>
// CHECK-NEXT:   %1 = graph.pad %x, %one pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x 8 x 18 x 18 x f32>
// CHECK-NEXT:   %2 = graph.conv %1, %w : (!graph.tensor<1 x 8 x 18 x 18 x f32>, !graph.tensor<8 x 8 x 3 x 3 x f32>) -> !graph.tensor<1 x 8 x 16 x 16 x f32>
// CHECK-NEXT:   func.return %0, %2 : !graph.tensor<1 x 8 x 17 x 17 x f32>, !graph.tensor<1 x 8 x 16 x 16 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @pools(%x: !graph.tensor<1 x 8 x 16 x 16 x f32>) -> (!graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>) {
// CHECK-NEXT:   %zero = graph.constant @zero : !graph.tensor<f32>
// CHECK-NEXT:   %0 = graph.pad %x, %zero pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 16 x 16 x f32>, !graph.tensor<f32>) -> !graph.tensor<1 x 8 x 18 x 18 x f32>
// CHECK-NEXT:   %1 = graph.max_pool %0 kernel [2, 2] strides [2, 2] : (!graph.tensor<1 x 8 x 18 x 18 x f32>) -> !graph.tensor<1 x 8 x 9 x 9 x f32>
// CHECK-NEXT:   %2 = graph.avg_pool %x kernel [2, 2] strides [2, 2] pads [1, 1, 1, 1] count_include_pad : (!graph.tensor<1 x 8 x 16 x 16 x f32>) -> !graph.tensor<1 x 8 x 9 x 9 x f32>
// CHECK-NEXT:   %3 = graph.max_pool %x kernel [2, 2] strides [2, 2] pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 16 x 16 x f32>) -> !graph.tensor<1 x 8 x 9 x 9 x f32>
// CHECK-NEXT:   func.return %1, %2, %3 : !graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>, !graph.tensor<1 x 8 x 9 x 9 x f32>
// CHECK-NEXT: }
