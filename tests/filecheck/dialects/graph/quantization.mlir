// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @both_ways(%x: !graph.tensor<N x 8 x f32>, %scale: !graph.tensor<f32>, %scales: !graph.tensor<1 x 8 x f32>, %zero: !graph.tensor<ui8>) -> !graph.tensor<N x 8 x f32> {
  %0 = graph.quantize %x, %scale, %zero : (!graph.tensor<N x 8 x f32>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 8 x ui8>
  %1 = graph.dequantize %0, %scale, %zero : (!graph.tensor<N x 8 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 8 x f32>
  %2 = graph.quantize %1, %scales : (!graph.tensor<N x 8 x f32>, !graph.tensor<1 x 8 x f32>) -> !graph.tensor<N x 8 x i16>
  %3 = graph.dequantize %2, %scales : (!graph.tensor<N x 8 x i16>, !graph.tensor<1 x 8 x f32>) -> !graph.tensor<N x 8 x f32>
  func.return %3 : !graph.tensor<N x 8 x f32>
}

// CHECK:      %0 = graph.quantize %x, %scale, %zero : (!graph.tensor<N x 8 x f32>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 8 x ui8>
// CHECK-NEXT: %1 = graph.dequantize %0, %scale, %zero : (!graph.tensor<N x 8 x ui8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT: %2 = graph.quantize %1, %scales : (!graph.tensor<N x 8 x f32>, !graph.tensor<1 x 8 x f32>) -> !graph.tensor<N x 8 x i16>
// CHECK-NEXT: %3 = graph.dequantize %2, %scales : (!graph.tensor<N x 8 x i16>, !graph.tensor<1 x 8 x f32>) -> !graph.tensor<N x 8 x f32>

// CHECK-LABEL: @table
// CHECK-NEXT:    graph.byte_table %x, %table : (!graph.tensor<N x 8 x ui8>, !graph.tensor<256 x i8>) -> !graph.tensor<N x 8 x i8>
func.func @table(%x: !graph.tensor<N x 8 x ui8>, %table: !graph.tensor<256 x i8>) -> !graph.tensor<N x 8 x i8> {
  %0 = graph.byte_table %x, %table : (!graph.tensor<N x 8 x ui8>, !graph.tensor<256 x i8>) -> !graph.tensor<N x 8 x i8>
  func.return %0 : !graph.tensor<N x 8 x i8>
}
