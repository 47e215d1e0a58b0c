// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @segment(%x: !layout.tensor<2 x 8 x f32>) {
  %w = schedule.buffer constant @weight : !layout.tensor<8 x 16 x f32, Ba16b>
  %h = schedule.buffer arena lives 0 to 1 offset 64 : !layout.tensor<2 x 16 x f32>
  %unplaced = schedule.buffer arena lives 0 to 0 : !layout.tensor<2 x 16 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<2 x 16 x f32>
  schedule.stage @gemm0 %h = kernel.gemm(%x, %w) plan {m tile 6 chunks 2, n tile 16}
  schedule.barrier
  schedule.stage @softmax0 %y = kernel.softmax(%h)
  func.return
}

// CHECK:      func.func @segment(%x: !layout.tensor<2 x 8 x f32>) {
// How wide the panels of weights are is a decision of the stage that reads them.
// CHECK-NEXT:   %w = schedule.buffer constant @weight packed : !layout.tensor<8 x 16 x f32>
// CHECK-NEXT:   %h = schedule.buffer arena lives 0 to 1 offset 64 : !layout.tensor<2 x 16 x f32>
// CHECK-NEXT:   %unplaced = schedule.buffer arena lives 0 to 0 : !layout.tensor<2 x 16 x f32>
// CHECK-NEXT:   %y = schedule.buffer output 0 : !layout.tensor<2 x 16 x f32>
// CHECK-NEXT:   schedule.stage @gemm0 %h = kernel.gemm(%x, %w) plan {m tile 6 chunks 2, n tile 16}
// CHECK-NEXT:   schedule.barrier
// CHECK-NEXT:   schedule.stage @softmax0 %y = kernel.softmax(%h)
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

// A schedule in the making says of no buffer how long it lives, and may lack barriers.
// CHECK:      func.func @unplanned
// CHECK-NEXT:   %h = schedule.buffer arena : !layout.tensor<4 x f32>
func.func @unplanned(%x: !layout.tensor<4 x f32>) {
  %h = schedule.buffer arena : !layout.tensor<4 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<4 x f32>
  schedule.stage @softmax0 %h = kernel.softmax(%x)
  schedule.stage @softmax1 %y = kernel.softmax(%h)
  func.return
}
