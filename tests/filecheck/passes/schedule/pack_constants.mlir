// RUN: lamina-opt %s --constant "w=dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>" -p schedule-pack-constants | filecheck %s

// The array is packed as the stages that read it say, once for each width, or as the type says.
// CHECK:      %a = schedule.buffer constant @w.blocked packed : !layout.tensor<2 x 3 x f32>
// CHECK-NEXT: schedule.stage @a %y = kernel.gemm(%x, %a) plan {n tile 2}
// CHECK-NEXT: %b = schedule.buffer constant @w.blocked packed : !layout.tensor<2 x 3 x f32>
// CHECK-NEXT: schedule.stage @b %z = kernel.gemm(%x, %b) plan {n tile 2}
// CHECK-NEXT: %c = schedule.buffer constant @w.blocked_1 packed : !layout.tensor<2 x 3 x f32>
// CHECK-NEXT: schedule.stage @c %u = kernel.gemm(%x, %c) plan {n tile 4}
// CHECK-NEXT: %d = schedule.buffer constant @w.ba : !layout.tensor<2 x 3 x f32, ba>
// CHECK-NEXT: %e = schedule.buffer constant @w : !layout.tensor<2 x 3 x f32>
func.func @f(%x: !layout.tensor<4 x 2 x f32>, %y: !layout.tensor<4 x 3 x f32>, %z: !layout.tensor<4 x 3 x f32>, %u: !layout.tensor<4 x 3 x f32>) {
  %a = schedule.buffer constant @w packed : !layout.tensor<2 x 3 x f32>
  schedule.stage @a %y = kernel.gemm(%x, %a) plan {n tile 2}
  %b = schedule.buffer constant @w packed : !layout.tensor<2 x 3 x f32>
  schedule.stage @b %z = kernel.gemm(%x, %b) plan {n tile 2}
  %c = schedule.buffer constant @w packed : !layout.tensor<2 x 3 x f32>
  schedule.stage @c %u = kernel.gemm(%x, %c) plan {n tile 4}
  %d = schedule.buffer constant @w : !layout.tensor<2 x 3 x f32, ba>
  %e = schedule.buffer constant @w : !layout.tensor<2 x 3 x f32>
  func.return
}
