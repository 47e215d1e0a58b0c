// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @conv(%x: !graph.tensor<N x 64 x H x W x f32>, %w: !graph.tensor<32 x 64 x 3 x 3 x f32>, %b: !graph.tensor<32 x f32>, %d: !graph.tensor<64 x 1 x 3 x 3 x f32>) {
  %0 = graph.conv %x, %w : (!graph.tensor<N x 64 x H x W x f32>, !graph.tensor<32 x 64 x 3 x 3 x f32>) -> !graph.tensor<N x 32 x (H - 2) x (W - 2) x f32>
  %1 = graph.conv %x, %w, %b strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] group 1 : (!graph.tensor<N x 64 x H x W x f32>, !graph.tensor<32 x 64 x 3 x 3 x f32>, !graph.tensor<32 x f32>) -> !graph.tensor<N x 32 x ((H + 1) floordiv 2) x ((W + 1) floordiv 2) x f32>
  %2 = graph.conv %x, %d pads [2, 2, 2, 2] dilations [2, 2] group 64 : (!graph.tensor<N x 64 x H x W x f32>, !graph.tensor<64 x 1 x 3 x 3 x f32>) -> !graph.tensor<N x 64 x H x W x f32>
  func.return
}

func.func @conv_1d(%x: !graph.tensor<1 x 4 x 100 x f32>, %w: !graph.tensor<8 x 2 x 5 x f32>) {
  %0 = graph.conv %x, %w strides [3] pads [0, 4] group 2 : (!graph.tensor<1 x 4 x 100 x f32>, !graph.tensor<8 x 2 x 5 x f32>) -> !graph.tensor<1 x 8 x 34 x f32>
  func.return
}

func.func @matmul(%a: !graph.tensor<B x 12 x S x 64 x f32>, %b: !graph.tensor<64 x 128 x f32>) {
  %0 = graph.matmul %a, %b : (!graph.tensor<B x 12 x S x 64 x f32>, !graph.tensor<64 x 128 x f32>) -> !graph.tensor<B x 12 x S x 128 x f32>
  %1 = graph.matmul %a, %a transpose_b : (!graph.tensor<B x 12 x S x 64 x f32>, !graph.tensor<B x 12 x S x 64 x f32>) -> !graph.tensor<B x 12 x S x S x f32>
  %2 = graph.matmul %a, %a transpose_a : (!graph.tensor<B x 12 x S x 64 x f32>, !graph.tensor<B x 12 x S x 64 x f32>) -> !graph.tensor<B x 12 x 64 x 64 x f32>
  func.return
}

// Narrow integers are summed in i32, whatever their signs.

func.func @narrow(%a: !graph.tensor<M x 64 x ui8>, %b: !graph.tensor<64 x 8 x i8>, %c: !graph.tensor<M x 64 x i16>, %x: !graph.tensor<1 x 4 x 5 x 5 x i8>, %w: !graph.tensor<6 x 4 x 3 x 3 x i8>, %bias: !graph.tensor<6 x i32>) {
  %0 = graph.matmul %a, %b : (!graph.tensor<M x 64 x ui8>, !graph.tensor<64 x 8 x i8>) -> !graph.tensor<M x 8 x i32>
  %1 = graph.matmul %c, %b : (!graph.tensor<M x 64 x i16>, !graph.tensor<64 x 8 x i8>) -> !graph.tensor<M x 8 x i32>
  %2 = graph.conv %x, %w, %bias : (!graph.tensor<1 x 4 x 5 x 5 x i8>, !graph.tensor<6 x 4 x 3 x 3 x i8>, !graph.tensor<6 x i32>) -> !graph.tensor<1 x 6 x 3 x 3 x i32>
  func.return
}

// CHECK:      func.func @conv(%x: !graph.tensor<N x 64 x H x W x f32>, %w: !graph.tensor<32 x 64 x 3 x 3 x f32>, %b: !graph.tensor<32 x f32>, %d: !graph.tensor<64 x 1 x 3 x 3 x f32>) {
// CHECK-NEXT:   %0 = graph.conv %x, %w : (!graph.tensor<N x 64 x H x W x f32>, !graph.tensor<32 x 64 x 3 x 3 x f32>) -> !graph.tensor<N x 32 x (H - 2) x (W - 2) x f32>
// CHECK-NEXT:   %1 = graph.conv %x, %w, %b strides [2, 2] pads [1, 1, 1, 1] : (!graph.tensor<N x 64 x H x W x f32>, !graph.tensor<32 x 64 x 3 x 3 x f32>, !graph.tensor<32 x f32>) -> !graph.tensor<N x 32 x ((H + 1) floordiv 2) x ((W + 1) floordiv 2) x f32>
// CHECK-NEXT:   %2 = graph.conv %x, %d pads [2, 2, 2, 2] dilations [2, 2] group 64 : (!graph.tensor<N x 64 x H x W x f32>, !graph.tensor<64 x 1 x 3 x 3 x f32>) -> !graph.tensor<N x 64 x H x W x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @conv_1d(%x: !graph.tensor<1 x 4 x 100 x f32>, %w: !graph.tensor<8 x 2 x 5 x f32>) {
// CHECK-NEXT:   %0 = graph.conv %x, %w strides [3] pads [0, 4] group 2 : (!graph.tensor<1 x 4 x 100 x f32>, !graph.tensor<8 x 2 x 5 x f32>) -> !graph.tensor<1 x 8 x 34 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @matmul(%a: !graph.tensor<B x 12 x S x 64 x f32>, %b: !graph.tensor<64 x 128 x f32>) {
// CHECK-NEXT:   %0 = graph.matmul %a, %b : (!graph.tensor<B x 12 x S x 64 x f32>, !graph.tensor<64 x 128 x f32>) -> !graph.tensor<B x 12 x S x 128 x f32>
// CHECK-NEXT:   %1 = graph.matmul %a, %a transpose_b : (!graph.tensor<B x 12 x S x 64 x f32>, !graph.tensor<B x 12 x S x 64 x f32>) -> !graph.tensor<B x 12 x S x S x f32>
// CHECK-NEXT:   %2 = graph.matmul %a, %a transpose_a : (!graph.tensor<B x 12 x S x 64 x f32>, !graph.tensor<B x 12 x S x 64 x f32>) -> !graph.tensor<B x 12 x 64 x 64 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @narrow(%a: !graph.tensor<M x 64 x ui8>, %b: !graph.tensor<64 x 8 x i8>, %c: !graph.tensor<M x 64 x i16>, %x: !graph.tensor<1 x 4 x 5 x 5 x i8>, %w: !graph.tensor<6 x 4 x 3 x 3 x i8>, %bias: !graph.tensor<6 x i32>) {
// CHECK-NEXT:   %0 = graph.matmul %a, %b : (!graph.tensor<M x 64 x ui8>, !graph.tensor<64 x 8 x i8>) -> !graph.tensor<M x 8 x i32>
// CHECK-NEXT:   %1 = graph.matmul %c, %b : (!graph.tensor<M x 64 x i16>, !graph.tensor<64 x 8 x i8>) -> !graph.tensor<M x 8 x i32>
// CHECK-NEXT:   %2 = graph.conv %x, %w, %bias : (!graph.tensor<1 x 4 x 5 x 5 x i8>, !graph.tensor<6 x 4 x 3 x 3 x i8>, !graph.tensor<6 x i32>) -> !graph.tensor<1 x 6 x 3 x 3 x i32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
