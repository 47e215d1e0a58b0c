// RUN: lamina-opt %s --machine avx2_vnni -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX2
// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX512
// RUN: lamina-opt %s --machine aarch64_dotprod -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix DOTPROD
// RUN: lamina-opt %s --machine aarch64_i8mm -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix I8MM

// The same products by each machine's own instruction.
// AVX2-LABEL: {{^}}gemm_{{.*}}.body:
// AVX2: vpdpbusd {{.*}}, %ymm
// AVX512-LABEL: {{^}}gemm_{{.*}}.body:
// AVX512: vpdpbusd {{.*}}, %zmm
// I8MM-LABEL: {{^}}gemm_{{.*}}.body:
// I8MM: usdot {{.*}}.4s
func.func @mixed(%x: !layout.tensor<12 x 64 x i8>, %w: !layout.tensor<64 x 128 x i8>) {
  %o = schedule.buffer output 0 : !layout.tensor<12 x 128 x i32>
  schedule.stage @mixed %o = kernel.gemm(%x, %w) unsigned [0]
  func.return
}

// DOTPROD-LABEL: {{^}}gemm_{{.*}}.body:
// DOTPROD: sdot {{.*}}.4s
// I8MM-LABEL: {{^}}gemm_{{.*}}.body:
// I8MM: sdot {{.*}}.4s
func.func @signed(%x: !layout.tensor<12 x 64 x i8>, %w: !layout.tensor<64 x 128 x i8>) {
  %o = schedule.buffer output 0 : !layout.tensor<12 x 128 x i32>
  schedule.stage @signed %o = kernel.gemm(%x, %w)
  func.return
}

// AVX512-LABEL: {{^}}gemm_{{.*}}.body:
// AVX512: vdpbf16ps {{.*}}, %zmm
func.func @bf16(%x: !layout.tensor<12 x 64 x bf16>, %w: !layout.tensor<64 x 128 x bf16>) {
  %o = schedule.buffer output 0 : !layout.tensor<12 x 128 x f32>
  schedule.stage @bf16 %o = kernel.gemm(%x, %w)
  func.return
}
