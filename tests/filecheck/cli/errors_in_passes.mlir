// RUN: not lamina-opt %s -p lower-schedule-to-loops 2>&1 | filecheck %s

// What a pass refuses is shown where the operation stands that it has come to.
// CHECK:      error: {{.*}}errors_in_passes.mlir:7:3: the stage's tile does not say 'rows', which its kernel needs

func.func @f(%x: !layout.tensor<4 x 8 x f32>, %w: !layout.tensor<8 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.stage @gemm0 ins(%x, %w : !layout.tensor<4 x 8 x f32>, !layout.tensor<8 x 8 x f32>) outs(%y : !layout.tensor<4 x 8 x f32>) tile {columns = 8} {
  ^bb0(%a: !layout.tensor<4 x 8 x f32>, %b: !layout.tensor<8 x 8 x f32>):
    %0 = kernel.gemm ins(%a, %b : !layout.tensor<4 x 8 x f32>, !layout.tensor<8 x 8 x f32>) -> !layout.tensor<4 x 8 x f32>
    schedule.yield %0 : !layout.tensor<4 x 8 x f32>
  }
  func.return
}
