// RUN: lamina-opt %s -p graph-eliminate-identities --constant 'zero=dense<-0.0> : tensor<f32>' --constant 'one=dense<1.0> : tensor<1xf32>' --constant 'true=dense<true> : tensor<i1>' | filecheck %s

func.func @transposes_that_undo_each_other(%x: !graph.tensor<N x 8 x 4 x 2 x f32>) -> !graph.tensor<N x 8 x 4 x 2 x f32> {
  %0 = graph.transpose %x permutation [0, 2, 3, 1] : (!graph.tensor<N x 8 x 4 x 2 x f32>) -> !graph.tensor<N x 4 x 2 x 8 x f32>
  %1 = graph.transpose %0 permutation [0, 3, 1, 2] : (!graph.tensor<N x 4 x 2 x 8 x f32>) -> !graph.tensor<N x 8 x 4 x 2 x f32>
  %2 = graph.relu %1 : !graph.tensor<N x 8 x 4 x 2 x f32>
  func.return %2 : !graph.tensor<N x 8 x 4 x 2 x f32>
}

func.func @transpose_of_axes_of_one(%x: !graph.tensor<N x 1 x 8 x f32>) -> !graph.tensor<N x 8 x 1 x f32> {
  %0 = graph.transpose %x permutation [0, 2, 1] : (!graph.tensor<N x 1 x 8 x f32>) -> !graph.tensor<N x 8 x 1 x f32>
  func.return %0 : !graph.tensor<N x 8 x 1 x f32>
}

func.func @chain_of_reshapes(%x: !graph.tensor<N x 8 x f32>) -> (!graph.tensor<N x 2 x 4 x f32>, !graph.tensor<N x 8 x f32>) {
  %0 = graph.reshape %x : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<(8 * N) x f32>
  %1 = graph.reshape %0 : (!graph.tensor<(8 * N) x f32>) -> !graph.tensor<N x 2 x 4 x f32>
  %2 = graph.reshape %0 : (!graph.tensor<(8 * N) x f32>) -> !graph.tensor<N x 8 x f32>
  func.return %1, %2 : !graph.tensor<N x 2 x 4 x f32>, !graph.tensor<N x 8 x f32>
}

// Through a wider type and back nothing changes; through a narrower one it does.

func.func @casts(%x: !graph.tensor<N x f32>) -> (!graph.tensor<N x f32>, !graph.tensor<N x f32>) {
  %0 = graph.cast %x : (!graph.tensor<N x f32>) -> !graph.tensor<N x f64>
  %1 = graph.cast %0 : (!graph.tensor<N x f64>) -> !graph.tensor<N x f32>
  %2 = graph.cast %x : (!graph.tensor<N x f32>) -> !graph.tensor<N x f16>
  %3 = graph.cast %2 : (!graph.tensor<N x f16>) -> !graph.tensor<N x f32>
  func.return %1, %3 : !graph.tensor<N x f32>, !graph.tensor<N x f32>
}

func.func @slices_of_a_concat(%a: !graph.tensor<N x 4 x f32>, %b: !graph.tensor<N x 8 x f32>) -> (!graph.tensor<N x 8 x f32>, !graph.tensor<N x 2 x f32>, !graph.tensor<N x 4 x f32>) {
  %0 = graph.concat %a, %b axis 1 : (!graph.tensor<N x 4 x f32>, !graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 12 x f32>
  %1 = graph.slice %0 axes [1] starts [4] ends [12] : (!graph.tensor<N x 12 x f32>) -> !graph.tensor<N x 8 x f32>
  %2 = graph.slice %0 axes [1] starts [5] ends [7] : (!graph.tensor<N x 12 x f32>) -> !graph.tensor<N x 2 x f32>
  // Reaches over both parts.
  %3 = graph.slice %0 axes [1] starts [2] ends [6] : (!graph.tensor<N x 12 x f32>) -> !graph.tensor<N x 4 x f32>
  func.return %1, %2, %3 : !graph.tensor<N x 8 x f32>, !graph.tensor<N x 2 x f32>, !graph.tensor<N x 4 x f32>
}

// Not where the constant widens the shape.

func.func @neutral_elements(%x: !graph.tensor<N x f32>, %s: !graph.tensor<f32>) -> (!graph.tensor<N x f32>, !graph.tensor<1 x f32>) {
  %zero = graph.constant @zero : !graph.tensor<f32>
  %one = graph.constant @one : !graph.tensor<1 x f32>
  %0 = graph.add %zero, %x : (!graph.tensor<f32>, !graph.tensor<N x f32>) -> !graph.tensor<N x f32>
  %1 = graph.mul %0, %one : (!graph.tensor<N x f32>, !graph.tensor<1 x f32>) -> !graph.tensor<N x f32>
  %2 = graph.neg %1 : !graph.tensor<N x f32>
  %3 = graph.neg %2 : !graph.tensor<N x f32>
  %4 = graph.relu %3 : !graph.tensor<N x f32>
  %5 = graph.relu %4 : !graph.tensor<N x f32>
  %6 = graph.mul %s, %one : (!graph.tensor<f32>, !graph.tensor<1 x f32>) -> !graph.tensor<1 x f32>
  func.return %5, %6 : !graph.tensor<N x f32>, !graph.tensor<1 x f32>
}

func.func @known_condition(%x: !graph.tensor<N x f32>, %y: !graph.tensor<N x f32>) -> !graph.tensor<N x f32> {
  %c = graph.constant @true : !graph.tensor<i1>
  %0 = graph.where %c, %x, %y : (!graph.tensor<i1>, !graph.tensor<N x f32>, !graph.tensor<N x f32>) -> !graph.tensor<N x f32>
  func.return %0 : !graph.tensor<N x f32>
}

// CHECK:      func.func @transposes_that_undo_each_other(%x: !graph.tensor<N x 8 x 4 x 2 x f32>) -> !graph.tensor<N x 8 x 4 x 2 x f32> {
// CHECK-NEXT:   %0 = graph.transpose %x permutation [0, 2, 3, 1] : (!graph.tensor<N x 8 x 4 x 2 x f32>) -> !graph.tensor<N x 4 x 2 x 8 x f32>
// CHECK-NEXT:   %1 = graph.relu %x : !graph.tensor<N x 8 x 4 x 2 x f32>
// CHECK-NEXT:   func.return %1 : !graph.tensor<N x 8 x 4 x 2 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @transpose_of_axes_of_one(%x: !graph.tensor<N x 1 x 8 x f32>) -> !graph.tensor<N x 8 x 1 x f32> {
// CHECK-NEXT:   %0 = graph.reshape %x : (!graph.tensor<N x 1 x 8 x f32>) -> !graph.tensor<N x 8 x 1 x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<N x 8 x 1 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @chain_of_reshapes(%x: !graph.tensor<N x 8 x f32>) -> (!graph.tensor<N x 2 x 4 x f32>, !graph.tensor<N x 8 x f32>) {
// CHECK-NEXT:   %0 = graph.reshape %x : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<(8 * N) x f32>
// CHECK-NEXT:   %1 = graph.reshape %x : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 2 x 4 x f32>
// CHECK-NEXT:   func.return %1, %x : !graph.tensor<N x 2 x 4 x f32>, !graph.tensor<N x 8 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @casts(%x: !graph.tensor<N x f32>) -> (!graph.tensor<N x f32>, !graph.tensor<N x f32>) {
// CHECK-NEXT:   %0 = graph.cast %x : (!graph.tensor<N x f32>) -> !graph.tensor<N x f64>
// CHECK-NEXT:   %1 = graph.cast %x : (!graph.tensor<N x f32>) -> !graph.tensor<N x f16>
// CHECK-NEXT:   %2 = graph.cast %1 : (!graph.tensor<N x f16>) -> !graph.tensor<N x f32>
// CHECK-NEXT:   func.return %x, %2 : !graph.tensor<N x f32>, !graph.tensor<N x f32>
// CHECK-NEXT: }
// CHECK:      func.func @slices_of_a_concat(%a: !graph.tensor<N x 4 x f32>, %b: !graph.tensor<N x 8 x f32>) -> (!graph.tensor<N x 8 x f32>, !graph.tensor<N x 2 x f32>, !graph.tensor<N x 4 x f32>) {
// CHECK-NEXT:   %0 = graph.concat %a, %b axis 1 : (!graph.tensor<N x 4 x f32>, !graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 12 x f32>
// CHECK-NEXT:   %1 = graph.slice %b axes [1] starts [1] ends [3] : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 2 x f32>
// CHECK-NEXT:   %2 = graph.slice %0 axes [1] starts [2] ends [6] : (!graph.tensor<N x 12 x f32>) -> !graph.tensor<N x 4 x f32>
// CHECK-NEXT:   func.return %b, %1, %2 : !graph.tensor<N x 8 x f32>, !graph.tensor<N x 2 x f32>, !graph.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @neutral_elements(%x: !graph.tensor<N x f32>, %s: !graph.tensor<f32>) -> (!graph.tensor<N x f32>, !graph.tensor<1 x f32>) {
// CHECK-NEXT:   %zero = graph.constant @zero : !graph.tensor<f32>
// CHECK-NEXT:   %one = graph.constant @one : !graph.tensor<1 x f32>
// CHECK-NEXT:   %0 = graph.neg %x : !graph.tensor<N x f32>
// CHECK-NEXT:   %1 = graph.relu %x : !graph.tensor<N x f32>
// CHECK-NEXT:   %2 = graph.mul %s, %one : (!graph.tensor<f32>, !graph.tensor<1 x f32>) -> !graph.tensor<1 x f32>
// CHECK-NEXT:   func.return %1, %2 : !graph.tensor<N x f32>, !graph.tensor<1 x f32>
// CHECK-NEXT: }
// CHECK:      func.func @known_condition(%x: !graph.tensor<N x f32>, %y: !graph.tensor<N x f32>) -> !graph.tensor<N x f32> {
// CHECK-NEXT:   %c = graph.constant @true : !graph.tensor<i1>
// CHECK-NEXT:   func.return %x : !graph.tensor<N x f32>
// CHECK-NEXT: }
