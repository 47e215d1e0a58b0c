// RUN: lamina-opt %s --machine avx2_vnni -p kernel-choose-layouts,lower-kernel-to-schedule,schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX2
// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p kernel-choose-layouts,lower-kernel-to-schedule,schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX512
// RUN: lamina-opt %s --machine aarch64_dotprod -p kernel-choose-layouts,lower-kernel-to-schedule,schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix DOTPROD
// RUN: lamina-opt %s --machine aarch64_i8mm -p kernel-choose-layouts,lower-kernel-to-schedule,schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix I8MM

// Convolutions by each machine's own instruction: unsigned pixels by signed weights, then both signed.
// AVX2-LABEL: {{^}}conv_im2col_{{.*}}.body:
// AVX2: vpdpbusd {{.*}}, %ymm
// AVX512-LABEL: {{^}}conv_im2col_{{.*}}.body:
// AVX512: vpdpbusd {{.*}}, %zmm
// I8MM-LABEL: {{^}}conv_im2col_{{.*}}.body:
// I8MM: usdot {{.*}}.4s
// I8MM-LABEL: {{^}}conv_im2col_{{.*}}.body:
// I8MM: sdot {{.*}}.4s
// DOTPROD-LABEL: {{^}}conv_im2col_{{.*}}.body:
// DOTPROD-NOT: dot
// DOTPROD-LABEL: {{^}}conv_im2col_{{.*}}.body:
// DOTPROD: sdot {{.*}}.4s
func.func @window(%x: !layout.tensor<1 x 8 x 8 x 8 x i8>) -> (!layout.tensor<1 x 12 x 8 x 8 x i32>, !layout.tensor<1 x 12 x 8 x 8 x i32>) {
  %w = kernel.constant @w : !layout.tensor<12 x 8 x 3 x 3 x i8>
  %mixed = kernel.conv im2col(%x, %w) pads [1, 1, 1, 1] unsigned [0] : !layout.tensor<1 x 12 x 8 x 8 x i32>
  %signed = kernel.conv im2col(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 12 x 8 x 8 x i32>
  func.return %mixed, %signed : !layout.tensor<1 x 12 x 8 x 8 x i32>, !layout.tensor<1 x 12 x 8 x 8 x i32>
}

// Depthwise two taps at a time where the machine has that, else each widened as it is multiplied.
// AVX2-LABEL: {{^}}conv_depthwise_{{.*}}.body:
// AVX2: vpdpwssd {{.*}}, %ymm
// AVX512-LABEL: {{^}}conv_depthwise_{{.*}}.body:
// AVX512: vpdpwssd {{.*}}, %zmm
// DOTPROD-LABEL: {{^}}conv_depthwise_{{.*}}.body:
// DOTPROD: smlal {{.*}}.4s
// I8MM-LABEL: {{^}}conv_depthwise_{{.*}}.body:
// I8MM: smlal {{.*}}.4s
func.func @depthwise(%x: !layout.tensor<1 x 32 x 14 x 14 x i8>) -> !layout.tensor<1 x 32 x 14 x 14 x i32> {
  %w = kernel.constant @w : !layout.tensor<32 x 1 x 3 x 3 x i8>
  %y = kernel.conv depthwise(%x, %w) pads [1, 1, 1, 1] groups 32 unsigned [0] : !layout.tensor<1 x 32 x 14 x 14 x i32>
  func.return %y : !layout.tensor<1 x 32 x 14 x 14 x i32>
}
