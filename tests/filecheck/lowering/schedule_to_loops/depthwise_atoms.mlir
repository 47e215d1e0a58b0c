// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX512

// Two taps of a row are multiplied at once, widened to 16 bits: words of weights are put together before the tiles.
// CHECK-LABEL: func.func @conv_depthwise_
// CHECK: arith.ori {{.*}} : vector<16xi32>
// CHECK: scf.for
// CHECK: vectorx.extui {{.*}} : vector<2x7x16xui8> to vector<2x7x16xi16>
// CHECK: vectorx.extui {{.*}} : vector<2x7x16xi16> to vector<2x7x16xi32>
// CHECK: arith.ori {{.*}} : vector<2x7x16xi32>
// CHECK: vectorx.dot "vpdpwssd" {{.*}} : vector<2x7x16xi32> into vector<2x7x16xi32>
// CHECK-COUNT-5: vectorx.dot
// CHECK-NOT: vectorx.dot
// The 36 pixels under the windows are widened once each, and the instruction stays whole.
// AVX512-LABEL: {{^}}conv_depthwise_{{.*}}.body:
// AVX512-NOT: vpmaddwd
// AVX512-COUNT-84: vpdpwssd {{.*}}, %zmm
// AVX512-NOT: vpdpwssd
func.func @f(%x: !layout.tensor<1 x 32 x 14 x 14 x i8, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %w: !layout.tensor<32 x 1 x 3 x 3 x i8, Abcd16a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 14 x 14 x i32, NCHW16c>
  schedule.stage @c %o = kernel.conv depthwise(%x, %w) pads [1, 1, 1, 1] groups 32 unsigned [0]
  func.return
}
