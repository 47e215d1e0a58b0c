// RUN: lamina-opt %s -p graph-tabulate-bytes,graph-dead-code --machine avx512_amx --constant 's=dense<0.5> : tensor<f32>' --constant 't=dense<0.25> : tensor<f32>' --constant 'z=dense<128> : tensor<ui8>' --constant 'c=dense<[0.5, 0.25]> : tensor<2xf32>' | filecheck %s
// RUN: lamina-opt %s -p graph-tabulate-bytes,graph-dead-code --machine avx2 --constant 's=dense<0.5> : tensor<f32>' --constant 't=dense<0.25> : tensor<f32>' --constant 'z=dense<128> : tensor<ui8>' --constant 'c=dense<[0.5, 0.25]> : tensor<2xf32>' | filecheck %s --check-prefix NONE

// What lies between the bytes may be quantised itself; another reader keeps that.

// CHECK-LABEL: @silu
// CHECK-DAG:     %[[INNER:.*]] = graph.byte_table %x, %{{.*}} : (!graph.tensor<N x 2 x ui8>, !graph.tensor<256 x i8>) -> !graph.tensor<N x 2 x i8>
// CHECK-DAG:     %[[Y:.*]] = graph.byte_table %x, %{{.*}} : (!graph.tensor<N x 2 x ui8>, !graph.tensor<256 x ui8>) -> !graph.tensor<N x 2 x ui8>
// CHECK-NOT:     graph.sigmoid
// CHECK:         func.return %[[Y]], %[[INNER]]
// NONE-LABEL: @silu
// NONE-NOT:     byte_table
// NONE:         graph.sigmoid
func.func @silu(%x: !graph.tensor<N x 2 x ui8>) -> (!graph.tensor<N x 2 x ui8>, !graph.tensor<N x 2 x i8>) {
  %s = graph.constant @s : !graph.tensor<f32>
  %t = graph.constant @t : !graph.tensor<f32>
  %z = graph.constant @z : !graph.tensor<ui8>
  %0 = graph.dequantize %x, %s, %z : (!graph.tensor<N x 2 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 2 x f32>
  %1 = graph.sigmoid %0 : !graph.tensor<N x 2 x f32>
  %2 = graph.quantize %1, %t : (!graph.tensor<N x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x i8>
  %3 = graph.dequantize %2, %t : (!graph.tensor<N x 2 x i8>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x f32>
  %4 = graph.mul %0, %3 : !graph.tensor<N x 2 x f32>
  %5 = graph.quantize %4, %t, %z : (!graph.tensor<N x 2 x f32>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 2 x ui8>
  func.return %5, %2 : !graph.tensor<N x 2 x ui8>, !graph.tensor<N x 2 x i8>
}

// A bound that changes no byte is none.

// CHECK-LABEL: @nothing
// CHECK-NEXT:    func.return %x
func.func @nothing(%x: !graph.tensor<N x 2 x ui8>) -> !graph.tensor<N x 2 x ui8> {
  %s = graph.constant @s : !graph.tensor<f32>
  %0 = graph.dequantize %x, %s : (!graph.tensor<N x 2 x ui8>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x f32>
  %1 = graph.relu %0 : !graph.tensor<N x 2 x f32>
  %2 = graph.quantize %1, %s : (!graph.tensor<N x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x ui8>
  func.return %2 : !graph.tensor<N x 2 x ui8>
}

// Neither two tensors nor a scale of each column have one table.

// CHECK-LABEL: @of_two
// CHECK-NOT:     byte_table
func.func @of_two(%x: !graph.tensor<N x 2 x ui8>, %y: !graph.tensor<N x 2 x ui8>) -> (!graph.tensor<N x 2 x ui8>, !graph.tensor<N x 2 x ui8>) {
  %s = graph.constant @s : !graph.tensor<f32>
  %c = graph.constant @c : !graph.tensor<2 x f32>
  %0 = graph.dequantize %x, %s : (!graph.tensor<N x 2 x ui8>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x f32>
  %1 = graph.dequantize %y, %s : (!graph.tensor<N x 2 x ui8>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x f32>
  %2 = graph.add %0, %1 : !graph.tensor<N x 2 x f32>
  %3 = graph.quantize %2, %s : (!graph.tensor<N x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x ui8>
  %4 = graph.dequantize %y, %c : (!graph.tensor<N x 2 x ui8>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 2 x f32>
  %5 = graph.quantize %4, %s : (!graph.tensor<N x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x ui8>
  func.return %3, %5 : !graph.tensor<N x 2 x ui8>, !graph.tensor<N x 2 x ui8>
}
