// RUN: lamina-opt %s | lamina-opt | filecheck %s

// CHECK: graph.block_matmul %a, %b, %s : (!graph.tensor<N x 40 x f32>, !graph.tensor<8 x 2 x 16 x ui8>, !graph.tensor<8 x 2 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK: graph.block_matmul %a, %c, %t, %z bits 8 block 16 int8 : (!graph.tensor<N x 40 x f32>, !graph.tensor<8 x 3 x 16 x ui8>, !graph.tensor<8 x 3 x f32>, !graph.tensor<8 x 3 x ui8>) -> !graph.tensor<N x 8 x f32>
func.func @products(%a: !graph.tensor<N x 40 x f32>, %b: !graph.tensor<8 x 2 x 16 x ui8>, %s: !graph.tensor<8 x 2 x f32>, %c: !graph.tensor<8 x 3 x 16 x ui8>, %t: !graph.tensor<8 x 3 x f32>, %z: !graph.tensor<8 x 3 x ui8>) {
  %0 = graph.block_matmul %a, %b, %s : (!graph.tensor<N x 40 x f32>, !graph.tensor<8 x 2 x 16 x ui8>, !graph.tensor<8 x 2 x f32>) -> !graph.tensor<N x 8 x f32>
  %1 = graph.block_matmul %a, %c, %t, %z bits 8 block 16 int8 : (!graph.tensor<N x 40 x f32>, !graph.tensor<8 x 3 x 16 x ui8>, !graph.tensor<8 x 3 x f32>, !graph.tensor<8 x 3 x ui8>) -> !graph.tensor<N x 8 x f32>
  func.return
}
