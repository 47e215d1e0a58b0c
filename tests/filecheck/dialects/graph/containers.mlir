// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @containers(%x: !graph.tensor<N x 4 x f32>, %i: !graph.tensor<i64>, %s: !graph.tensor<!graph.sequence<f32>>) {
  %0 = graph.sequence %x, %x : (!graph.tensor<N x 4 x f32>, !graph.tensor<N x 4 x f32>) -> !graph.tensor<!graph.sequence<f32, 2>>
  %1 = graph.sequence : !graph.tensor<!graph.sequence<f32, empty>>
  %2 = graph.split_to_sequence %x, %i axis 1 keeps_axis : (!graph.tensor<N x 4 x f32>, !graph.tensor<i64>) -> !graph.tensor<!graph.sequence<f32, 2>>
  %3 = graph.sequence_at %0, %i : (!graph.tensor<!graph.sequence<f32, 2>>, !graph.tensor<i64>) -> !graph.tensor<A x B x f32>
  %4 = graph.sequence_insert %1, %x : (!graph.tensor<!graph.sequence<f32, empty>>, !graph.tensor<N x 4 x f32>) -> !graph.tensor<!graph.sequence<f32, 2>>
  %5 = graph.sequence_erase %s, %i : (!graph.tensor<!graph.sequence<f32>>, !graph.tensor<i64>) -> !graph.tensor<!graph.sequence<f32>>
  %6 = graph.sequence_length %s : (!graph.tensor<!graph.sequence<f32>>) -> !graph.tensor<i64>
  %7 = graph.concat_from_sequence %0 axis 2 new_axis : (!graph.tensor<!graph.sequence<f32, 2>>) -> !graph.tensor<A x B x C x f32>
  %8 = graph.optional %x : (!graph.tensor<N x 4 x f32>) -> !graph.tensor<!graph.optional<!graph.tensor<N x 4 x f32>>>
  %9 = graph.optional_has_element %8 : (!graph.tensor<!graph.optional<!graph.tensor<N x 4 x f32>>>) -> !graph.tensor<i1>
  %10 = graph.optional_get_element %8 : (!graph.tensor<!graph.optional<!graph.tensor<N x 4 x f32>>>) -> !graph.tensor<D x 4 x f32>
  func.return
}

// CHECK:      func.func @containers(%x: !graph.tensor<N x 4 x f32>, %i: !graph.tensor<i64>, %s: !graph.tensor<!graph.sequence<f32>>) {
// CHECK-NEXT:   %0 = graph.sequence %x, %x : (!graph.tensor<N x 4 x f32>, !graph.tensor<N x 4 x f32>) -> !graph.tensor<!graph.sequence<f32, 2>>
// CHECK-NEXT:   %1 = graph.sequence : !graph.tensor<!graph.sequence<f32, empty>>
// CHECK-NEXT:   %2 = graph.split_to_sequence %x, %i axis 1 keeps_axis : (!graph.tensor<N x 4 x f32>, !graph.tensor<i64>) -> !graph.tensor<!graph.sequence<f32, 2>>
// CHECK-NEXT:   %3 = graph.sequence_at %0, %i : (!graph.tensor<!graph.sequence<f32, 2>>, !graph.tensor<i64>) -> !graph.tensor<A x B x f32>
// CHECK-NEXT:   %4 = graph.sequence_insert %1, %x : (!graph.tensor<!graph.sequence<f32, empty>>, !graph.tensor<N x 4 x f32>) -> !graph.tensor<!graph.sequence<f32, 2>>
// CHECK-NEXT:   %5 = graph.sequence_erase %s, %i : (!graph.tensor<!graph.sequence<f32>>, !graph.tensor<i64>) -> !graph.tensor<!graph.sequence<f32>>
// CHECK-NEXT:   %6 = graph.sequence_length %s : (!graph.tensor<!graph.sequence<f32>>) -> !graph.tensor<i64>
// CHECK-NEXT:   %7 = graph.concat_from_sequence %0 axis 2 new_axis : (!graph.tensor<!graph.sequence<f32, 2>>) -> !graph.tensor<A x B x C x f32>
// CHECK-NEXT:   %8 = graph.optional %x : (!graph.tensor<N x 4 x f32>) -> !graph.tensor<!graph.optional<!graph.tensor<N x 4 x f32>>>
// CHECK-NEXT:   %9 = graph.optional_has_element %8 : (!graph.tensor<!graph.optional<!graph.tensor<N x 4 x f32>>>) -> !graph.tensor<i1>
// CHECK-NEXT:   %10 = graph.optional_get_element %8 : (!graph.tensor<!graph.optional<!graph.tensor<N x 4 x f32>>>) -> !graph.tensor<D x 4 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
