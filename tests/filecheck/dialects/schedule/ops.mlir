// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @segment(%x: !layout.tensor<N x 8 x f32>) {
  %w = schedule.buffer constant @weight : !layout.tensor<8 x 16 x f32, Ba16b>
  %h = schedule.buffer arena lives 0 to 1 offset 128 : !layout.tensor<N x 16 x f32>
  %unplaced = schedule.buffer arena lives 1 to 3 : !layout.tensor<N x 16 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<N x 16 x f32>
  schedule.stage @gemm0 ins(%x, %w : !layout.tensor<N x 8 x f32>, !layout.tensor<8 x 16 x f32, Ba16b>) outs(%h : !layout.tensor<N x 16 x f32>) tile {rows = 6, columns = 16, row_chunks = 2} {
  ^bb0(%a: !layout.tensor<N x 8 x f32>, %b: !layout.tensor<8 x 16 x f32, Ba16b>):
    %0 = kernel.gemm ins(%a, %b : !layout.tensor<N x 8 x f32>, !layout.tensor<8 x 16 x f32, Ba16b>) -> !layout.tensor<N x 16 x f32>
    schedule.yield %0 : !layout.tensor<N x 16 x f32>
  }
  schedule.barrier
  schedule.stage @softmax0 ins(%h : !layout.tensor<N x 16 x f32>) outs(%y : !layout.tensor<N x 16 x f32>) {
  ^bb0(%a: !layout.tensor<N x 16 x f32>):
    %1 = kernel.softmax ins(%a : !layout.tensor<N x 16 x f32>) -> !layout.tensor<N x 16 x f32>
    schedule.yield %1 : !layout.tensor<N x 16 x f32>
  }
  func.return
}

// CHECK:      func.func @segment(%x: !layout.tensor<N x 8 x f32>) {
// CHECK-NEXT:   %w = schedule.buffer constant @weight : !layout.tensor<8 x 16 x f32, Ba16b>
// CHECK-NEXT:   %h = schedule.buffer arena lives 0 to 1 offset 128 : !layout.tensor<N x 16 x f32>
// CHECK-NEXT:   %unplaced = schedule.buffer arena lives 1 to 3 : !layout.tensor<N x 16 x f32>
// CHECK-NEXT:   %y = schedule.buffer output 0 : !layout.tensor<N x 16 x f32>
// CHECK-NEXT:   schedule.stage @gemm0 ins(%x, %w : !layout.tensor<N x 8 x f32>, !layout.tensor<8 x 16 x f32, Ba16b>) outs(%h : !layout.tensor<N x 16 x f32>) tile {rows = 6, columns = 16, row_chunks = 2} {
// CHECK-NEXT:   ^bb0(%a: !layout.tensor<N x 8 x f32>, %b: !layout.tensor<8 x 16 x f32, Ba16b>):
// CHECK-NEXT:     %0 = kernel.gemm ins(%a, %b : !layout.tensor<N x 8 x f32>, !layout.tensor<8 x 16 x f32, Ba16b>) -> !layout.tensor<N x 16 x f32>
// CHECK-NEXT:     schedule.yield %0 : !layout.tensor<N x 16 x f32>
// CHECK-NEXT:   }
// CHECK-NEXT:   schedule.barrier
// CHECK-NEXT:   schedule.stage @softmax0 ins(%h : !layout.tensor<N x 16 x f32>) outs(%y : !layout.tensor<N x 16 x f32>) {
// CHECK-NEXT:   ^bb0(%a_1: !layout.tensor<N x 16 x f32>):
// CHECK-NEXT:     %1 = kernel.softmax ins(%a_1 : !layout.tensor<N x 16 x f32>) -> !layout.tensor<N x 16 x f32>
// CHECK-NEXT:     schedule.yield %1 : !layout.tensor<N x 16 x f32>
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
