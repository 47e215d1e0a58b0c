// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX512

// Of 68 numbers of a row four are taken at once, where they lie; B is packed so already.
// CHECK-LABEL: func.func @gemm_
// CHECK: %[[SUMS:.*]] = scf.for %[[K:.*]] = {{.*}} iter_args(%[[ACC:.*]] = %{{.*}}) -> (vector<6x64xi32>)
// CHECK:   %[[A:.*]] = vector.load %{{.*}} : {{.*}}, vector<6x1x4xui8>
// CHECK:   %[[B:.*]] = vector.load %{{.*}} : {{.*}}, vector<1x64x4xi8>
// CHECK:   vector.contract {atom = "vpdpbusd"} %[[A]], %[[B]], %[[ACC]] : vector<6x1x4xui8>, vector<1x64x4xi8> into vector<6x64xi32>
// CHECK: vector.store %[[SUMS]]
// The sums stay in registers.
// AVX512-LABEL: gemm_
// AVX512: [[LOOP:.LBB.*]]:
// AVX512: vpbroadcastd {{.*}}, %zmm
// AVX512-NOT: (%rsp)
// AVX512-COUNT-24: vpdpbusd {{.*}}, %zmm
// AVX512-NOT: (%rsp)
// AVX512: j{{[a-z]+}} [[LOOP]]
func.func @packed(%x: !layout.tensor<12 x 68 x i8>, %w: !layout.tensor<68 x 128 x i8, BA64b4a>) {
  %o = schedule.buffer output 0 : !layout.tensor<12 x 128 x i32>
  schedule.stage @a %o = kernel.gemm(%x, %w) unsigned [0]
  func.return
}

// Rows that end in the middle of four are copied once for all panels, as is each panel: the words that they make are
// put together as integers.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall
// CHECK: scf.if
// CHECK:   vectorx.extui {{.*}} : vector<16xui8> to vector<16xi32>
// CHECK:   arith.shli
// CHECK:   arith.ori
// CHECK: vector.contract {atom = "vpdpbusd"} {{.*}} : vector<{{.*}}x1x4xi8>, vector<1x64x4xui8> into
func.func @given(%x: !layout.tensor<12 x 67 x i8>, %w: !layout.tensor<67 x 128 x i8>) {
  %o = schedule.buffer output 0 : !layout.tensor<12 x 128 x i32>
  schedule.stage @b %o = kernel.gemm(%x, %w) unsigned [1]
  func.return
}

// No instruction of this machine multiplies two signed bytes: each is widened.
// CHECK-LABEL: func.func @gemm_
// CHECK: vector.contract %{{[^:]*}} : vector<6x1xi8>, vector<1x64xi8> into vector<6x64xi32>
func.func @signed(%x: !layout.tensor<12 x 68 x i8>, %w: !layout.tensor<68 x 128 x i8>) {
  %o = schedule.buffer output 0 : !layout.tensor<12 x 128 x i32>
  schedule.stage @c %o = kernel.gemm(%x, %w)
  func.return
}
