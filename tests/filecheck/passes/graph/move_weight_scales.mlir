// RUN: lamina-opt %s -p graph-move-weight-scales,graph-dead-code --constant 'w=dense<[[1, 2], [-3, 4]]> : tensor<2x2xi8>' --constant 'u=dense<[[129, 130], [125, 132]]> : tensor<2x2xui8>' --constant 'z=dense<[[128]]> : tensor<1x1xui8>' --constant 's=dense<[[0.5, 0.25]]> : tensor<1x2xf32>' --constant 't=dense<[[0.5], [0.25]]> : tensor<2x1xf32>' | filecheck %s

// CHECK-LABEL: @columns
// CHECK-NEXT:    %[[W:.*]] = graph.constant @w.whole : !graph.tensor<2 x 2 x f32>
// CHECK-NEXT:    %[[Y:.*]] = graph.matmul %x, %[[W]] : (!graph.tensor<M x 2 x f32>, !graph.tensor<2 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
// CHECK-NEXT:    %[[S:.*]] = graph.constant @{{.*}} : !graph.tensor<2 x f32>
// CHECK-NEXT:    graph.mul %[[Y]], %[[S]]
func.func @columns(%x: !graph.tensor<M x 2 x f32>) -> !graph.tensor<M x 2 x f32> {
  %w = graph.constant @w : !graph.tensor<2 x 2 x i8>
  %s = graph.constant @s : !graph.tensor<1 x 2 x f32>
  %0 = graph.dequantize %w, %s : (!graph.tensor<2 x 2 x i8>, !graph.tensor<1 x 2 x f32>) -> !graph.tensor<2 x 2 x f32>
  %1 = graph.matmul %x, %0 : (!graph.tensor<M x 2 x f32>, !graph.tensor<2 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %1 : !graph.tensor<M x 2 x f32>
}

// Transposed weights have their columns in rows; a zero point is taken from the numbers.

// CHECK-LABEL: @rows_of_a_transposed_one
// CHECK-NEXT:    %[[W:.*]] = graph.constant @u.whole : !graph.tensor<2 x 2 x f32>
// CHECK-NEXT:    graph.matmul %x, %[[W]] transpose_b
// CHECK:         graph.mul
func.func @rows_of_a_transposed_one(%x: !graph.tensor<M x 2 x f32>) -> !graph.tensor<M x 2 x f32> {
  %w = graph.constant @u : !graph.tensor<2 x 2 x ui8>
  %s = graph.constant @t : !graph.tensor<2 x 1 x f32>
  %z = graph.constant @z : !graph.tensor<1 x 1 x ui8>
  %0 = graph.dequantize %w, %s, %z : (!graph.tensor<2 x 2 x ui8>, !graph.tensor<2 x 1 x f32>, !graph.tensor<1 x 1 x ui8>) -> !graph.tensor<2 x 2 x f32>
  %1 = graph.matmul %x, %0 transpose_b : (!graph.tensor<M x 2 x f32>, !graph.tensor<2 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %1 : !graph.tensor<M x 2 x f32>
}

// A scale along the depth belongs to the sums' terms.

// CHECK-LABEL: @along_the_depth
// CHECK:         graph.dequantize
// CHECK-NEXT:    graph.matmul
func.func @along_the_depth(%x: !graph.tensor<M x 2 x f32>) -> !graph.tensor<M x 2 x f32> {
  %w = graph.constant @w : !graph.tensor<2 x 2 x i8>
  %s = graph.constant @t : !graph.tensor<2 x 1 x f32>
  %0 = graph.dequantize %w, %s : (!graph.tensor<2 x 2 x i8>, !graph.tensor<2 x 1 x f32>) -> !graph.tensor<2 x 2 x f32>
  %1 = graph.matmul %x, %0 : (!graph.tensor<M x 2 x f32>, !graph.tensor<2 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %1 : !graph.tensor<M x 2 x f32>
}
