// RUN: lamina-opt %s -p graph-fold-batch-norm,graph-dead-code --constant 'half=dense<2.0> : tensor<2x2x1x1xf16>' --constant 'w=dense<2.0> : tensor<2x2x1x1xf32>' --constant 'b=dense<[1.0, 2.0]> : tensor<2xf32>' --constant 'factor=dense<[[[3.0]], [[4.0]]]> : tensor<2x1x1xf32>' --constant 'shift=dense<[[[5.0]], [[6.0]]]> : tensor<2x1x1xf32>' --constant 'row=dense<[3.0, 4.0]> : tensor<2xf32>' --constant 'm=dense<[[1.5, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>' | filecheck %s

func.func @after(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32> {
  %w = graph.constant @w : !graph.tensor<2 x 2 x 1 x 1 x f32>
  %factor = graph.constant @factor : !graph.tensor<2 x 1 x 1 x f32>
  %shift = graph.constant @shift : !graph.tensor<2 x 1 x 1 x f32>
  %0 = graph.conv %x, %w : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  %1 = graph.mul %0, %factor : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  %2 = graph.add %1, %shift : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  func.return %2 : !graph.tensor<N x 2 x 4 x 4 x f32>
}

func.func @before(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32> {
  %w = graph.constant @w : !graph.tensor<2 x 2 x 1 x 1 x f32>
  %b = graph.constant @b : !graph.tensor<2 x f32>
  %factor = graph.constant @factor : !graph.tensor<2 x 1 x 1 x f32>
  %0 = graph.mul %x, %factor : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  %1 = graph.conv %0, %w, %b : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  func.return %1 : !graph.tensor<N x 2 x 4 x 4 x f32>
}

// The padding would have to be shifted too.

func.func @shift_before_padding(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 6 x 6 x f32> {
  %w = graph.constant @w : !graph.tensor<2 x 2 x 1 x 1 x f32>
  %shift = graph.constant @shift : !graph.tensor<2 x 1 x 1 x f32>
  %0 = graph.add %x, %shift : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  %1 = graph.conv %0, %w pads [1, 1, 1, 1] : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 6 x 6 x f32>
  func.return %1 : !graph.tensor<N x 2 x 6 x 6 x f32>
}

// The convolution's result is read by others, too; and a factor along the width is none of a channel's.

func.func @not_folded(%x: !graph.tensor<1 x 2 x 1 x 2 x f32>) -> (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>) {
  %w = graph.constant @w : !graph.tensor<2 x 2 x 1 x 1 x f32>
  %factor = graph.constant @factor : !graph.tensor<2 x 1 x 1 x f32>
  %row = graph.constant @row : !graph.tensor<2 x f32>
  %0 = graph.conv %x, %w : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
  %1 = graph.mul %0, %factor : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
  %2 = graph.conv %1, %w pads [0, 0, 0, 0] : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
  %3 = graph.mul %2, %row : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
  func.return %0, %1, %3 : !graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>
}

func.func @matmul(%x: !graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 2 x f32> {
  %m = graph.constant @m : !graph.tensor<2 x 2 x f32>
  %row = graph.constant @row : !graph.tensor<2 x f32>
  %0 = graph.matmul %x, %m transpose_b : (!graph.tensor<N x 2 x f32>, !graph.tensor<2 x 2 x f32>) -> !graph.tensor<N x 2 x f32>
  %1 = graph.mul %row, %0 : (!graph.tensor<2 x f32>, !graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 2 x f32>
  func.return %1 : !graph.tensor<N x 2 x f32>
}

// CHECK:      func.func @after(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32> {
// CHECK-NEXT:   %0 = graph.constant @w.folded : !graph.tensor<2 x 2 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = graph.constant @w.folded.bias : !graph.tensor<2 x f32>
// CHECK-NEXT:   %2 = graph.conv %x, %0, %1 : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT:   func.return %2 : !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @before(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32> {
// CHECK-NEXT:   %0 = graph.constant @w.folded_1 : !graph.tensor<2 x 2 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = graph.constant @w.bias : !graph.tensor<2 x f32>
// CHECK-NEXT:   %2 = graph.conv %x, %0, %1 : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT:   func.return %2 : !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @shift_before_padding(%x: !graph.tensor<N x 2 x 4 x 4 x f32>) -> !graph.tensor<N x 2 x 6 x 6 x f32> {
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<2 x 2 x 1 x 1 x f32>
// CHECK-NEXT:   %shift = graph.constant @shift : !graph.tensor<2 x 1 x 1 x f32>
// CHECK-NEXT:   %0 = graph.add %x, %shift : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT:   %1 = graph.conv %0, %w pads [1, 1, 1, 1] : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 6 x 6 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<N x 2 x 6 x 6 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @not_folded(%x: !graph.tensor<1 x 2 x 1 x 2 x f32>) -> (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>) {
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<2 x 2 x 1 x 1 x f32>
// CHECK-NEXT:   %factor = graph.constant @factor : !graph.tensor<2 x 1 x 1 x f32>
// CHECK-NEXT:   %row = graph.constant @row : !graph.tensor<2 x f32>
// CHECK-NEXT:   %0 = graph.conv %x, %w : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
// CHECK-NEXT:   %1 = graph.mul %0, %factor : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
// CHECK-NEXT:   %2 = graph.conv %1, %w : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x 2 x 1 x 1 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
// CHECK-NEXT:   %3 = graph.mul %2, %row : (!graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<2 x f32>) -> !graph.tensor<1 x 2 x 1 x 2 x f32>
// CHECK-NEXT:   func.return %0, %1, %3 : !graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>, !graph.tensor<1 x 2 x 1 x 2 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @matmul(%x: !graph.tensor<N x 2 x f32>) -> !graph.tensor<N x 2 x f32> {
// CHECK-NEXT:   %0 = graph.constant @m.folded : !graph.tensor<2 x 2 x f32>
// CHECK-NEXT:   %1 = graph.matmul %x, %0 transpose_b : (!graph.tensor<N x 2 x f32>, !graph.tensor<2 x 2 x f32>) -> !graph.tensor<N x 2 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<N x 2 x f32>
// CHECK-NEXT: }

// The sums of narrow numbers are f32, and so are the new weights.

func.func @narrow(%x: !graph.tensor<N x 2 x 4 x 4 x f16>) -> !graph.tensor<N x 2 x 4 x 4 x f32> {
  %w = graph.constant @half : !graph.tensor<2 x 2 x 1 x 1 x f16>
  %factor = graph.constant @factor : !graph.tensor<2 x 1 x 1 x f32>
  %0 = graph.conv %x, %w : (!graph.tensor<N x 2 x 4 x 4 x f16>, !graph.tensor<2 x 2 x 1 x 1 x f16>) -> !graph.tensor<N x 2 x 4 x 4 x f16>
  %1 = graph.cast %0 : (!graph.tensor<N x 2 x 4 x 4 x f16>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  %2 = graph.mul %1, %factor : (!graph.tensor<N x 2 x 4 x 4 x f32>, !graph.tensor<2 x 1 x 1 x f32>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
  func.return %2 : !graph.tensor<N x 2 x 4 x 4 x f32>
}
// CHECK-LABEL: @narrow
// CHECK-NEXT:    %[[X:.*]] = graph.cast %x : (!graph.tensor<N x 2 x 4 x 4 x f16>) -> !graph.tensor<N x 2 x 4 x 4 x f32>
// CHECK-NEXT:    %[[W:.*]] = graph.constant @half.f32.folded : !graph.tensor<2 x 2 x 1 x 1 x f32>
// CHECK-NEXT:    graph.conv %[[X]], %[[W]] : {{.*}} -> !graph.tensor<N x 2 x 4 x 4 x f32>
