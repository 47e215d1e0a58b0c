// RUN: lamina-opt %s -p graph-merge-transposes --constant 'scale=dense<0.125> : tensor<f32>' --constant 'row=dense<[1.0, 2.0]> : tensor<2xf32>' | filecheck %s

func.func @attention(%q: !graph.tensor<B x S x 64 x f32>, %k: !graph.tensor<B x S x 64 x f32>) -> !graph.tensor<B x S x S x f32> {
  %0 = graph.transpose %k permutation [0, 2, 1] : (!graph.tensor<B x S x 64 x f32>) -> !graph.tensor<B x 64 x S x f32>
  %1 = graph.matmul %q, %0 : (!graph.tensor<B x S x 64 x f32>, !graph.tensor<B x 64 x S x f32>) -> !graph.tensor<B x S x S x f32>
  func.return %1 : !graph.tensor<B x S x S x f32>
}

func.func @other_axes(%q: !graph.tensor<B x S x 64 x f32>, %k: !graph.tensor<S x B x 64 x f32>) -> !graph.tensor<B x S x S x f32> {
  %0 = graph.transpose %k permutation [1, 0, 2] : (!graph.tensor<S x B x 64 x f32>) -> !graph.tensor<B x S x 64 x f32>
  %1 = graph.matmul %q, %0 transpose_b : (!graph.tensor<B x S x 64 x f32>, !graph.tensor<B x S x 64 x f32>) -> !graph.tensor<B x S x S x f32>
  func.return %1 : !graph.tensor<B x S x S x f32>
}

// Channels last, and back: the transposes meet and vanish.

func.func @past_elementwise(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32> {
  %scale = graph.constant @scale : !graph.tensor<f32>
  %row = graph.constant @row : !graph.tensor<2 x f32>
  %0 = graph.transpose %x permutation [0, 2, 3, 1] : (!graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 4 x 4 x 2 x f32>
  %1 = graph.mul %0, %scale : (!graph.tensor<N x 4 x 4 x 2 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 4 x 4 x 2 x f32>
  %2 = graph.add %1, %row : (!graph.tensor<N x 4 x 4 x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 4 x 4 x 2 x f32>
  %3 = graph.relu %2 : !graph.tensor<N x 4 x 4 x 2 x f32>
  %4 = graph.transpose %3 permutation [0, 3, 1, 2] : (!graph.tensor<N x 4 x 4 x 2 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  func.return %4 : !graph.tensor<N x 2 x 4 x 4 x f32>
}

// The transposed tensor is needed anyway.

func.func @read_by_others(%x: !graph.tensor<N x 4 x f32>) -> (!graph.tensor<4 x N x f32>, !graph.tensor<4 x N x f32>) {
  %0 = graph.transpose %x permutation [1, 0] : (!graph.tensor<N x 4 x f32>) -> !graph.tensor<4 x N x f32>
  %1 = graph.relu %0 : !graph.tensor<4 x N x f32>
  func.return %0, %1 : !graph.tensor<4 x N x f32>, !graph.tensor<4 x N x f32>
}

// CHECK:      func.func @attention(%q: !graph.tensor<B x S x 64 x f32>, %k: !graph.tensor<B x S x 64 x f32>) -> !graph.tensor<B x S x S x f32> {
// CHECK-NEXT:   %0 = graph.transpose %k permutation [0, 2, 1] : (!graph.tensor<B x S x 64 x f32>) -> !graph.tensor<B x 64 x S x f32>
// CHECK-NEXT:   %1 = graph.matmul %q, %k transpose_b : (!graph.tensor<B x S x 64 x f32>, !graph.tensor<B x S x 64 x f32>) -> !graph.tensor<B x S x S x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<B x S x S x f32>
// CHECK-NEXT: }
// CHECK:      func.func @other_axes(%q: !graph.tensor<B x S x 64 x f32>, %k: !graph.tensor<S x B x 64 x f32>) -> !graph.tensor<B x S x S x f32> {
// CHECK-NEXT:   %0 = graph.transpose %k permutation [1, 0, 2] : (!graph.tensor<S x B x 64 x f32>) -> !graph.tensor<B x S x 64 x f32>
// CHECK-NEXT:   %1 = graph.matmul %q, %0 transpose_b : (!graph.tensor<B x S x 64 x f32>, !graph.tensor<B x S x 64 x f32>) -> !graph.tensor<B x S x S x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<B x S x S x f32>
// CHECK-NEXT: }
// CHECK:      func.func @past_elementwise(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32> {
// CHECK-NEXT:   %scale = graph.constant @scale : !graph.tensor<f32>
// CHECK-NEXT:   %row = graph.constant @row : !graph.tensor<2 x f32>
// CHECK-NEXT:   %0 = graph.transpose %x permutation [0, 2, 3, 1] : (!graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 4 x 4 x 2 x f32>
// CHECK-NEXT:   %1 = graph.mul %x, %scale : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT:   %2 = graph.transpose %1 permutation [0, 2, 3, 1] : (!graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 4 x 4 x 2 x f32>
// CHECK-NEXT:   %3 = graph.constant @row_1 : !graph.tensor<1 x 2 x 1 x 1 x f32>
// CHECK-NEXT:   %4 = graph.add %1, %3 : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<1 x 2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT:   %5 = graph.transpose %4 permutation [0, 2, 3, 1] : (!graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 4 x 4 x 2 x f32>
// CHECK-NEXT:   %6 = graph.relu %4 : !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT:   func.return %6 : !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @read_by_others(%x: !graph.tensor<N x 4 x f32>) -> (!graph.tensor<4 x N x f32>, !graph.tensor<4 x N x f32>) {
// CHECK-NEXT:   %0 = graph.transpose %x permutation [1, 0] : (!graph.tensor<N x 4 x f32>) -> !graph.tensor<4 x N x f32>
// CHECK-NEXT:   %1 = graph.relu %0 : !graph.tensor<4 x N x f32>
// CHECK-NEXT:   func.return %0, %1 : !graph.tensor<4 x N x f32>, !graph.tensor<4 x N x f32>
// CHECK-NEXT: }
