// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @lstm(%x: !graph.tensor<T x N x 4 x f32>, %w: !graph.tensor<2 x 32 x 4 x f32>, %r: !graph.tensor<2 x 32 x 8 x f32>, %b: !graph.tensor<2 x 64 x f32>, %h: !graph.tensor<2 x N x 8 x f32>, %n: !graph.tensor<N x i32>) {
  %0, %1, %2 = graph.lstm %x, %w, %r, %b, %h, %h direction bidirectional : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<2 x 32 x 4 x f32>, !graph.tensor<2 x 32 x 8 x f32>, !graph.tensor<2 x 64 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>) -> (!graph.tensor<T x 2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>)
  %3, %4, %5 = graph.lstm %x, %w, %r, %b, %h, %h, %n direction bidirectional clip 3.0 input_forget : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<2 x 32 x 4 x f32>, !graph.tensor<2 x 32 x 8 x f32>, !graph.tensor<2 x 64 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<N x i32>) -> (!graph.tensor<T x 2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>)
  func.return
}

func.func @gru(%x: !graph.tensor<T x N x 4 x f32>, %w: !graph.tensor<1 x 24 x 4 x f32>, %r: !graph.tensor<1 x 24 x 8 x f32>, %b: !graph.tensor<1 x 48 x f32>, %h: !graph.tensor<1 x N x 8 x f32>) {
  %0, %1 = graph.gru %x, %w, %r, %b, %h direction reverse linear_before_reset : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<1 x 24 x 4 x f32>, !graph.tensor<1 x 24 x 8 x f32>, !graph.tensor<1 x 48 x f32>, !graph.tensor<1 x N x 8 x f32>) -> (!graph.tensor<T x 1 x N x 8 x f32>, !graph.tensor<1 x N x 8 x f32>)
  func.return
}

func.func @rnn(%x: !graph.tensor<T x N x 4 x f32>, %w: !graph.tensor<1 x 8 x 4 x f32>, %r: !graph.tensor<1 x 8 x 8 x f32>, %b: !graph.tensor<1 x 16 x f32>, %h: !graph.tensor<1 x N x 8 x f32>) {
  %0, %1 = graph.rnn %x, %w, %r, %b, %h activations relu : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<1 x 8 x 4 x f32>, !graph.tensor<1 x 8 x 8 x f32>, !graph.tensor<1 x 16 x f32>, !graph.tensor<1 x N x 8 x f32>) -> (!graph.tensor<T x 1 x N x 8 x f32>, !graph.tensor<1 x N x 8 x f32>)
  func.return
}

// CHECK:      func.func @lstm(%x: !graph.tensor<T x N x 4 x f32>, %w: !graph.tensor<2 x 32 x 4 x f32>, %r: !graph.tensor<2 x 32 x 8 x f32>, %b: !graph.tensor<2 x 64 x f32>, %h: !graph.tensor<2 x N x 8 x f32>, %n: !graph.tensor<N x i32>) {
// CHECK-NEXT:   %0, %1, %2 = graph.lstm %x, %w, %r, %b, %h, %h direction bidirectional : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<2 x 32 x 4 x f32>, !graph.tensor<2 x 32 x 8 x f32>, !graph.tensor<2 x 64 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>) -> (!graph.tensor<T x 2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>)
// CHECK-NEXT:   %3, %4, %5 = graph.lstm %x, %w, %r, %b, %h, %h, %n direction bidirectional clip 3.0 input_forget : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<2 x 32 x 4 x f32>, !graph.tensor<2 x 32 x 8 x f32>, !graph.tensor<2 x 64 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<N x i32>) -> (!graph.tensor<T x 2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>, !graph.tensor<2 x N x 8 x f32>)
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @gru(%x: !graph.tensor<T x N x 4 x f32>, %w: !graph.tensor<1 x 24 x 4 x f32>, %r: !graph.tensor<1 x 24 x 8 x f32>, %b: !graph.tensor<1 x 48 x f32>, %h: !graph.tensor<1 x N x 8 x f32>) {
// CHECK-NEXT:   %0, %1 = graph.gru %x, %w, %r, %b, %h direction reverse linear_before_reset : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<1 x 24 x 4 x f32>, !graph.tensor<1 x 24 x 8 x f32>, !graph.tensor<1 x 48 x f32>, !graph.tensor<1 x N x 8 x f32>) -> (!graph.tensor<T x 1 x N x 8 x f32>, !graph.tensor<1 x N x 8 x f32>)
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @rnn(%x: !graph.tensor<T x N x 4 x f32>, %w: !graph.tensor<1 x 8 x 4 x f32>, %r: !graph.tensor<1 x 8 x 8 x f32>, %b: !graph.tensor<1 x 16 x f32>, %h: !graph.tensor<1 x N x 8 x f32>) {
// CHECK-NEXT:   %0, %1 = graph.rnn %x, %w, %r, %b, %h activations relu : (!graph.tensor<T x N x 4 x f32>, !graph.tensor<1 x 8 x 4 x f32>, !graph.tensor<1 x 8 x 8 x f32>, !graph.tensor<1 x 16 x f32>, !graph.tensor<1 x N x 8 x f32>) -> (!graph.tensor<T x 1 x N x 8 x f32>, !graph.tensor<1 x N x 8 x f32>)
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
