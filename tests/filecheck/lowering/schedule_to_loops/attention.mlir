// RUN: lamina-opt %s --machine avx512 -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512 -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,loops-expand-math,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX512
// RUN: lamina-opt %s --machine aarch64_neon -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,loops-expand-math,lower-loops-to-llvm -t asm | filecheck %s --check-prefix NEON
// RUN: lamina-opt %s --machine avx512 -p schedule-choose-tiles -t nests | filecheck %s --check-prefix NESTS

// Heads and strips of queries are shared. Queries lie in lanes; keys are read one by one, where they lie.
// CHECK-LABEL: func.func @attention_
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (4, 2)
// CHECK:   vector.transfer_read {{.*}} vector<16x16xf32>
// CHECK:   scf.for {{.*}} -> (vector<6x64xf32>)
// CHECK:     vector.load {{.*}}, vector<6x1xf32>
// CHECK:     vector.contract {{.*}} : vector<6x1xf32>, vector<1x64xf32> into vector<6x64xf32>
// CHECK:   arith.mulf {{.*}} : vector<6x64xf32>
// CHECK:   scf.for {{.*}} -> (vector<64xf32>)
// CHECK:   math.exp {{.*}} : vector<64xf32>
// CHECK:   vector.contract {{.*}} : vector<4x1xf32>, vector<1x64xf32> into vector<4x64xf32>
// CHECK:   arith.divf
// The products of a tile stay in registers.
// AVX512-LABEL: attention_
// AVX512: vbroadcastss
// AVX512-COUNT-24: vfmadd231ps %zmm{{.*}}, %zmm
// NEON-LABEL: attention_
// NEON: fmla {{.*}}.4s
// NESTS-LABEL: @a kernel.attention
// NESTS-NEXT: b  parallel  4
// NESTS-NEXT: m  parallel  128          strip 64, tile 4, few 0
// NESTS-NEXT: n  parallel  64           tile 64
// NESTS-NEXT: t  reduction 96           tile 6, block 0, skip 0, few 1
// NESTS-NEXT: k  reduction 64           lanes 1
// NESTS-NEXT: q[b, m, k], k[b, t, k], v[b, t, n], y[b, m, n]
// NESTS-NEXT: loops [b, m], shared by threads [b, m], then tiles
func.func @known(%q: !layout.tensor<4 x 128 x 64 x f32>, %k: !layout.tensor<4 x 96 x 64 x f32>, %v: !layout.tensor<4 x 96 x 64 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<4 x 128 x 64 x f32>
  schedule.stage @a %o = kernel.attention(%q, %k, %v) scores(%acc) {%0 = arith.constant 0.125 : f32, %1 = arith.mulf %acc, %0 : f32}
  func.return
}

// Of few queries one is taken at a time, by the three heads that share keys, with lanes along the depth.
// CHECK-LABEL: func.func @attention_
// CHECK: vector.load {{.*}}, vector<8x16xf32>
// CHECK: vector.multi_reduction {{.*}} vector<3x8x16xf32>
// CHECK: vector.contract {{.*}} : vector<3x1xf32>, vector<1x64xf32> into vector<3x64xf32>
// CHECK-NOT: transfer_read
func.func @token(%q: !layout.tensor<1 x 9 x 1 x 64 x f32>, %k: !layout.tensor<1 x 3 x T x 64 x f32>, %v: !layout.tensor<1 x 3 x T x 64 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 9 x 1 x 64 x f32>
  schedule.stage @b %o = kernel.attention(%q, %k, %v)
  func.return
}

// Many keys come in blocks: what was summed before is corrected where a larger score comes.
// CHECK-LABEL: func.func @attention_
// CHECK: scf.if
// CHECK: scf.if
// CHECK: scf.for {{.*}} -> (vector<64xf32>, vector<64xf32>)
// CHECK: vector.fma
func.func @free(%q: !layout.tensor<2 x S x 32 x f32>, %k: !layout.tensor<2 x T x 32 x f32>, %v: !layout.tensor<2 x T x 32 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<2 x S x 32 x f32>
  schedule.stage @c %o = kernel.attention(%q, %k, %v)
  func.return
}

// The keys that a mask leaves out of all queries of a strip at the beginning and end are looked for, vector by vector,
// and not multiplied. A query that reads no key has weights all the same where numbers are added: none is left out then.
// CHECK-LABEL: func.func @attention_
// CHECK: scf.while
// CHECK:   scf.for {{.*}} -> (vector<16xi1>)
// CHECK:     vectorx.cmpf ugt, {{.*}} : vector<16xf32>
// CHECK:     arith.ori
// CHECK:   vector.reduction <or>
// CHECK: scf.while
// CHECK: scf.for {{.*}} -> (i1)
// CHECK:   scf.for {{.*}} -> (vector<16xi1>)
// CHECK: arith.select
// CHECK: arith.select
// CHECK: vector.contract
func.func @masked(%q: !layout.tensor<2 x 128 x 32 x f32>, %k: !layout.tensor<2 x 128 x 32 x f32>, %v: !layout.tensor<2 x 128 x 32 x f32>, %m: !layout.tensor<1 x 128 x 128 x f32>) {
  %o = schedule.buffer output 0 : !layout.tensor<2 x 128 x 32 x f32>
  schedule.stage @d %o = kernel.attention(%q, %k, %v) scores(%acc, %s = %m) {%0 = arith.addf %acc, %s : f32}
  func.return
}
