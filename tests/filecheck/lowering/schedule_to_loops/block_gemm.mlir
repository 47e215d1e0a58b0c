// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX512
// RUN: lamina-opt %s --machine avx2 -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix AVX2
// RUN: lamina-opt %s --machine aarch64_neon -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix NEON
// RUN: lamina-opt %s --machine aarch64_dotprod -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix DOTPROD
// RUN: lamina-opt %s --machine aarch64_i8mm -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix I8MM

// The row is rounded to 8 bits once; then a word gives the bytes of four numbers by a mask, and of four by a shift.
// CHECK-LABEL: func.func @block_gemm_
// CHECK: scf.forall
// CHECK: scf.if
// CHECK:   math.roundeven
// CHECK:   vectorx.trunci {{.*}} : vector<32xi32> to vector<32xi8>
// CHECK: scf.for {{.*}} -> (vector<1x32xf32>)
// CHECK: scf.for {{.*}} -> (vector<1x32xi32>)
// CHECK:   %[[WORDS:.*]] = vector.load {{.*}}, vector<32xi32>
// CHECK:   arith.andi %[[WORDS]], %{{.*}} : vector<32xi32>
// CHECK:   vectorx.dot "vpdpbusd" {{.*}} : vector<1x32xi32> into vector<1x32xi32>
// CHECK:   %[[HIGH:.*]] = arith.shrui %[[WORDS]], %{{.*}} : vector<32xi32>
// CHECK:   arith.andi %[[HIGH]], %{{.*}} : vector<32xi32>
// CHECK:   vectorx.dot "vpdpbusd"
// CHECK: vectorx.sitofp
// CHECK: vector.fma
// A block of 32 numbers: a load of each 64 bytes of weights, sixteen products, and nothing that spills.
// AVX512-LABEL: block_gemm_
// AVX512: [[LOOP:.LBB.*]]:
// AVX512-NOT: (%rsp)
// AVX512-COUNT-16: vpdpbusd {{.*}}, %zmm
// AVX512-NOT: (%rsp)
// AVX512: vfmadd231ps {{.*}}, %zmm
// AVX512-NOT: vpdpbusd
// AVX512: j{{[a-z]+}} [[LOOP]]
// Where no instruction multiplies bytes, integers are summed in f32, which is exact.
// AVX2-LABEL: block_gemm_
// AVX2: vroundps
// AVX2: vfmadd{{.*}} %ymm
// NEON-LABEL: block_gemm_
// NEON: fmla {{.*}}.4s
// DOTPROD-LABEL: block_gemm_
// DOTPROD: sdot {{.*}}.4s
func.func @row(%x: !layout.tensor<1 x 64 x f32>, %w: !layout.tensor<10 x 64 x i32, Ba32b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x f32>
  schedule.stage @a %o = kernel.block_gemm(%x, %w) int8
  func.return
}

// Of floats each number becomes one where it lies in its word, as part of a mantissa, less what that adds and its block's
// zero point; those beyond the mantissa are brought into it by one shift.
// CHECK-LABEL: func.func @block_gemm_
// CHECK: arith.shrui
// CHECK: arith.andi
// CHECK-NEXT: arith.ori
// CHECK-NEXT: arith.bitcast
// CHECK-NEXT: arith.subf
// CHECK-NEXT: arith.subf
// CHECK-NOT: arith.shrui
// CHECK: vector.fma {{.*}} : vector<4x32xf32>
func.func @floats(%x: !layout.tensor<4 x 64 x f32>, %w: !layout.tensor<12 x 64 x i32, Ba32b>) {
  %o = schedule.buffer output 0 : !layout.tensor<4 x 64 x f32>
  schedule.stage @b %o = kernel.block_gemm(%x, %w) zeros
  func.return
}

// Bytes are words already; without a sign they need an instruction that takes such.
// I8MM-LABEL: block_gemm_
// I8MM: usdot {{.*}}.4s
func.func @bytes(%x: !layout.tensor<4 x 64 x f32>, %w: !layout.tensor<18 x 64 x i32, Ba32b>) {
  %o = schedule.buffer output 0 : !layout.tensor<4 x 64 x f32>
  schedule.stage @c %o = kernel.block_gemm(%x, %w) bits 8 int8
  func.return
}

// Many rows share an unpacked panel, which is multiplied as any other matrix.
// CHECK-LABEL: func.func @block_gemm_
// CHECK: scf.forall
// CHECK:   scf.for
// CHECK:     scf.for
// CHECK-COUNT-8: vector.store {{.*}}, vector<64xf32>
// CHECK:   scf.for {{.*}} -> (vector<{{[0-9]}}x64xf32>)
// CHECK:     vector.contract
func.func @many_rows(%x: !layout.tensor<48 x 64 x f32>, %w: !layout.tensor<10 x 64 x i32, Ba64b>) {
  %o = schedule.buffer output 0 : !layout.tensor<48 x 64 x f32>
  schedule.stage @b %o = kernel.block_gemm(%x, %w)
  func.return
}
