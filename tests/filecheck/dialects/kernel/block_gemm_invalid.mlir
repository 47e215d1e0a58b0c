// RUN: lamina-opt %s --split-input-file --verify-diagnostics | filecheck %s

func.func @rows(%x: !layout.tensor<N x 64 x f32>, %b: !layout.tensor<9 x 8 x i32>) {
  %0 = kernel.block_gemm(%x, %b) : !layout.tensor<N x 8 x f32>
  func.return
}

// CHECK: C4: a sums over 64, b has 9 rows, expected 10

// -----

func.func @part_of_a_block(%x: !layout.tensor<N x 40 x f32>, %b: !layout.tensor<5 x 8 x i32>) {
  %0 = kernel.block_gemm(%x, %b) : !layout.tensor<N x 8 x f32>
  func.return
}

// CHECK: C4: a sums over 40, b has 5 rows, expected 5

// -----

func.func @atom(%x: !layout.tensor<4 x 64 x f32>, %b: !layout.tensor<10 x 32 x i32, Ba32b>) {
  %o = schedule.buffer output 0 : !layout.tensor<4 x 32 x f32>
  schedule.stage @a %o = kernel.block_gemm(%x, %b) plan {m tile 4, n tile 32, atom vpdpbusd}
  func.return
}

// CHECK: atom vpdpbusd, but a is multiplied in f32
