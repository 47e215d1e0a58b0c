// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX512

// Four neighbouring channels of x make a word of the panel, of the six that there are the last two a word of their own.
// CHECK-LABEL: func.func @conv_im2col_
// CHECK: %[[WORDS:.*]] = memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [3, 3, 2, 64], strides: [384, 128, 64, 1]{{.*}}xi32
// CHECK: vectorx.extui {{.*}} : vector<16xui8> to vector<16xi32>
// CHECK: arith.shli
// CHECK: arith.ori
// CHECK: vector.store %{{.*}}, %[[WORDS]]
// CHECK: %[[PANEL:.*]] = memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [18, 1, 64, 4], strides: [256, 256, 4, 1]
// CHECK: memref.reinterpret_cast %1 to offset: [%{{.*}}], sizes: [18, 6, 1, 4], strides: [24, 4, 4, 1]
// CHECK: vector.load %[[PANEL]]{{.*}}, vector<1x64x4xui8>
// CHECK: vector.contract {atom = "vpdpbusd"} {{.*}} : vector<6x1x4xi8>, vector<1x64x4xui8> into vector<6x64xi32>
// AVX512-LABEL: conv_im2col_
// AVX512: vpxord
// AVX512: [[LOOP:.LBB.*]]:
// AVX512: vmovdqu64 {{.*}}, %zmm
// AVX512: vpbroadcastd
// AVX512-NOT: (%rsp)
// AVX512-COUNT-24: vpdpbusd {{.*}}, %zmm
// AVX512-NOT: (%rsp)
// AVX512: j{{[a-z]+}} [[LOOP]]
func.func @words(%x: !layout.tensor<1 x 6 x 16 x 16 x i8>, %w: !layout.tensor<12 x 6 x 3 x 3 x i8, AcdB6a4b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 12 x 16 x 16 x i32>
  schedule.stage @a %o = kernel.conv im2col(%x, %w) pads [1, 1, 1, 1] unsigned [0] plan {p tile 64 lanes 16, atom vpdpbusd}
  func.return
}

// Channels of a group that tiles do not divide lie one after another.
// CHECK-LABEL: func.func @conv_im2col_
// CHECK: memref.reinterpret_cast %1 to offset: [%{{.*}}], sizes: [4, {{.*}}, 1, 4], strides: [4, 16, 4, 1]
func.func @plain(%x: !layout.tensor<1 x 32 x 8 x 8 x i8>, %w: !layout.tensor<34 x 16 x 1 x 1 x i8, acdB4b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 34 x 8 x 8 x i32>
  schedule.stage @b %o = kernel.conv im2col(%x, %w) groups 2 unsigned [0]
  func.return
}
