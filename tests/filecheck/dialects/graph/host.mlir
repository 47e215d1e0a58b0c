// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @host(%x: !graph.tensor<N x 4 x 4 x f32>, %bytes: !graph.tensor<B x ui8>, %i: !graph.tensor<i64>, %f: !graph.tensor<f32>) {
  %0 = graph.decode_image %bytes pixels bgr : (!graph.tensor<B x ui8>) -> !graph.tensor<H x W x 3 x ui8>
  %1 = graph.mel_weights %i, %i, %i, %f, %f : (!graph.tensor<i64>, !graph.tensor<i64>, !graph.tensor<i64>, !graph.tensor<f32>, !graph.tensor<f32>) -> !graph.tensor<F x M x f32>
  %2 = graph.determinant %x : (!graph.tensor<N x 4 x 4 x f32>) -> !graph.tensor<N x f32>
  func.return
}

// CHECK:      func.func @host(%x: !graph.tensor<N x 4 x 4 x f32>, %bytes: !graph.tensor<B x ui8>, %i: !graph.tensor<i64>, %f: !graph.tensor<f32>) {
// CHECK-NEXT:   %0 = graph.decode_image %bytes pixels bgr : (!graph.tensor<B x ui8>) -> !graph.tensor<H x W x 3 x ui8>
// CHECK-NEXT:   %1 = graph.mel_weights %i, %i, %i, %f, %f : (!graph.tensor<i64>, !graph.tensor<i64>, !graph.tensor<i64>, !graph.tensor<f32>, !graph.tensor<f32>) -> !graph.tensor<F x M x f32>
// CHECK-NEXT:   %2 = graph.determinant %x : (!graph.tensor<N x 4 x 4 x f32>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
