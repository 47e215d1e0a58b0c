// RUN: not lamina-opt %s -p lower-schedule-to-loops 2>&1 | filecheck %s

// What a pass refuses is shown where the operation stands that it has come to.
// CHECK:      error: {{.*}}errors_in_passes.mlir:7:3: the stage's plan does not say 'm tile', which its kernel needs

func.func @f(%x: !layout.tensor<4 x 8 x f32>, %w: !layout.tensor<8 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {n tile 8}
  func.return
}
