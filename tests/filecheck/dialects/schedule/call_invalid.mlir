// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @missing(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.call @a %y = @kernel(%x)
  func.return
}

// CHECK: C1: no kernel is called @kernel

// -----

func.func @no_kernel(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.call @a %y = @no_kernel(%x)
  func.return
}

// CHECK: C1: no kernel is called @no_kernel

// -----

func.func @order(%x: !layout.tensor<N x f32>, %y: !layout.tensor<N x i8>) {
  schedule.call @a %x = @kernel(%y) sizes [N]
  func.return
}
func.func @kernel(%x: memref<?xf32>, %y: memref<?xi8>, %N: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  func.return
}

// CHECK: C2: @kernel takes (memref<?xf32>, memref<?xi8>, index, index, index), this call gives it (memref<?xi8>, memref<?xf32>, index, index, index)

// -----

func.func @size(%x: !layout.tensor<N x f32>, %y: !layout.tensor<N x f32>) {
  schedule.call @a %y = @kernel(%x)
  func.return
}
func.func @kernel(%x: memref<?xf32>, %y: memref<?xf32>, %N: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  func.return
}

// CHECK: C2: @kernel takes (memref<?xf32>, memref<?xf32>, index, index, index), this call gives it (memref<?xf32>, memref<?xf32>, index, index)

// -----

func.func @undefined(%x: !layout.tensor<N x f32>) {
  schedule.call @a %z = @kernel(%x)
  func.return
}

// CHECK: %z is used here before it is defined

// -----

func.func @scratch(%x: !layout.tensor<N x f32>, %y: !layout.tensor<N x f32>) {
  schedule.call @a %y = @kernel(%x) scratch [64] sizes [N]
  func.return
}
llvm.func @kernel(!llvm.ptr, i64, i64) attributes {lamina.kernel = {ins = [!layout.tensor<N x f32>], outs = [!layout.tensor<N x f32>], scratch = #graph.dim<64 * N>, sizes = ["N"]}}

// CHECK: C3: @kernel was written for scratch #graph.dim<64 * N>, this call gives it #graph.dim<64>
