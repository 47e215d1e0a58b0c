// RUN: lamina-opt %s --machine avx2 --constant 'w=dense<0.5> : tensor<8x16xf32>' --from graph --to kernel --verify-each | filecheck %s --check-prefix KERNEL
// RUN: lamina-opt %s --machine avx2 --constant 'w=dense<0.5> : tensor<8x16xf32>' --from graph --to schedule --verify-each | filecheck %s --check-prefix SCHEDULE
// RUN: lamina-opt %s --machine avx512 --constant 'w=dense<0.5> : tensor<8x16xf32>' --from graph --to llvm -t ll | filecheck %s --check-prefix LL
// RUN: lamina-opt %s --machine aarch64_neon --constant 'w=dense<0.5> : tensor<8x16xf32>' --from graph --to llvm -t asm | filecheck %s --check-prefix ASM
// RUN: not lamina-opt %s --from graph --to kernel 2>&1 | filecheck %s --check-prefix MISSING
// RUN: not lamina-opt %s --constant 'w=nonsense' 2>&1 | filecheck %s --check-prefix NONSENSE

func.func @main(%x: !graph.tensor<N x 8 x f32> {lamina.name = "x"}) -> (!graph.tensor<N x 16 x f32> {lamina.name = "y"}) {
  %y = func.call @segment0(%x) : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 16 x f32>
  func.return %y : !graph.tensor<N x 16 x f32>
}
func.func @segment0(%x: !graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 16 x f32> {
  %w = graph.constant @w : !graph.tensor<8 x 16 x f32>
  %y = graph.matmul %x, %w : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x 16 x f32>) -> !graph.tensor<N x 16 x f32>
  func.return %y : !graph.tensor<N x 16 x f32>
}

// KERNEL-LABEL: func.func @segment0
// KERNEL: kernel.constant @w.{{.*}} : !layout.tensor<8 x 16 x f32, Ba16b>
// KERNEL: kernel.gemm
// SCHEDULE-LABEL: func.func @segment0
// SCHEDULE: schedule.buffer output 0
// SCHEDULE: schedule.stage @gemm0
// SCHEDULE-SAME: plan {
// LL: define {{.*}}gemm_
// LL: @llvm.fma.v16f32
// ASM: gemm_
// ASM: fmla
// MISSING: no constant is called 'w'; was constants.npz given along with the text?
// NONSENSE: error: --constant: 'w=nonsense' is no constant
