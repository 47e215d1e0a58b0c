// RUN: lamina-opt %s -p graph-pack-blocks,graph-dead-code --constant 'w=dense<7> : tensor<2x16x2xi8>' --constant 's=dense<0.5> : tensor<2x1x2xf32>' --constant 'z=dense<3> : tensor<2x1x2xi8>' --constant 'v=dense<[[7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8], [7, -8]]> : tensor<16x2xi8>' --constant 't=dense<0.5> : tensor<f32>' --constant 'u=dense<100> : tensor<16x2xi8>' | filecheck %s

// Numbers from -8 to 7 take 4 bits: half of the range is added to them and to their zero points.

func.func @blocks(%a: !graph.tensor<M x 32 x f32>) -> !graph.tensor<M x 2 x f32> {
  %w = graph.constant @w : !graph.tensor<2 x 16 x 2 x i8>
  %s = graph.constant @s : !graph.tensor<2 x 1 x 2 x f32>
  %z = graph.constant @z : !graph.tensor<2 x 1 x 2 x i8>
  %0 = graph.dequantize %w, %s, %z : (!graph.tensor<2 x 16 x 2 x i8>, !graph.tensor<2 x 1 x 2 x f32>, !graph.tensor<2 x 1 x 2 x i8>) -> !graph.tensor<2 x 16 x 2 x f32>
  %1 = graph.reshape %0 : (!graph.tensor<2 x 16 x 2 x f32>) -> !graph.tensor<32 x 2 x f32>
  %2 = graph.matmul %a, %1 : (!graph.tensor<M x 32 x f32>, !graph.tensor<32 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %2 : !graph.tensor<M x 2 x f32>
}

// A scale for all: the same in blocks. Without a zero point it is 0, the middle of the range.

func.func @one_scale(%a: !graph.tensor<M x 16 x f32>) -> !graph.tensor<M x 2 x f32> {
  %v = graph.constant @v : !graph.tensor<16 x 2 x i8>
  %t = graph.constant @t : !graph.tensor<f32>
  %0 = graph.dequantize %v, %t : (!graph.tensor<16 x 2 x i8>, !graph.tensor<f32>) -> !graph.tensor<16 x 2 x f32>
  %1 = graph.matmul %a, %0 : (!graph.tensor<M x 16 x f32>, !graph.tensor<16 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %1 : !graph.tensor<M x 2 x f32>
}

// Of 8 bits and one scale nothing is gained by blocks.

func.func @bytes(%a: !graph.tensor<M x 16 x f32>) -> !graph.tensor<M x 2 x f32> {
  %u = graph.constant @u : !graph.tensor<16 x 2 x i8>
  %t = graph.constant @t : !graph.tensor<f32>
  %0 = graph.dequantize %u, %t : (!graph.tensor<16 x 2 x i8>, !graph.tensor<f32>) -> !graph.tensor<16 x 2 x f32>
  %1 = graph.matmul %a, %0 : (!graph.tensor<M x 16 x f32>, !graph.tensor<16 x 2 x f32>) -> !graph.tensor<M x 2 x f32>
  func.return %1 : !graph.tensor<M x 2 x f32>
}

// CHECK-LABEL: func.func @blocks
// CHECK:   graph.block_matmul %a, %{{.*}}, %{{.*}}, %{{.*}} block 16 : (!graph.tensor<M x 32 x f32>, !graph.tensor<2 x 2 x 8 x ui8>, !graph.tensor<2 x 2 x f32>, !graph.tensor<2 x 2 x ui8>) -> !graph.tensor<M x 2 x f32>
// CHECK-LABEL: func.func @one_scale
// CHECK:   graph.block_matmul %a, %{{.*}}, %{{.*}} block 16 : (!graph.tensor<M x 16 x f32>, !graph.tensor<2 x 1 x 8 x ui8>, !graph.tensor<2 x 1 x f32>) -> !graph.tensor<M x 2 x f32>
// CHECK-LABEL: func.func @bytes
// CHECK:   graph.matmul
