// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @text(%x: !graph.tensor<N x !graph.string>, %y: !graph.tensor<!graph.string>, %i: !graph.tensor<3 x i64>, %w: !graph.tensor<3 x f32>) {
  %0 = graph.string_concat %x, %y : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x !graph.string>
  %1, %2 = graph.string_split %x, %y splits 3 : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> (!graph.tensor<N x M x !graph.string>, !graph.tensor<N x i64>)
  %3 = graph.string_normalize %x, %x case lower ignores_case : (!graph.tensor<N x !graph.string>, !graph.tensor<N x !graph.string>) -> !graph.tensor<K x !graph.string>
  %4 = graph.regex_full_match %x, %y : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x i1>
  %5 = graph.tf_idf %x, %x, %i, %i, %w shortest 1 longest 2 mode tfidf : (!graph.tensor<N x !graph.string>, !graph.tensor<N x !graph.string>, !graph.tensor<3 x i64>, !graph.tensor<3 x i64>, !graph.tensor<3 x f32>) -> !graph.tensor<4 x f32>
  %6 = graph.equal %x, %y : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x i1>
  func.return
}

// CHECK:      func.func @text(%x: !graph.tensor<N x !graph.string>, %y: !graph.tensor<!graph.string>, %i: !graph.tensor<3 x i64>, %w: !graph.tensor<3 x f32>) {
// CHECK-NEXT:   %0 = graph.string_concat %x, %y : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x !graph.string>
// CHECK-NEXT:   %1, %2 = graph.string_split %x, %y splits 3 : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> (!graph.tensor<N x M x !graph.string>, !graph.tensor<N x i64>)
// CHECK-NEXT:   %3 = graph.string_normalize %x, %x case lower ignores_case : (!graph.tensor<N x !graph.string>, !graph.tensor<N x !graph.string>) -> !graph.tensor<K x !graph.string>
// CHECK-NEXT:   %4 = graph.regex_full_match %x, %y : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x i1>
// CHECK-NEXT:   %5 = graph.tf_idf %x, %x, %i, %i, %w shortest 1 longest 2 mode tfidf : (!graph.tensor<N x !graph.string>, !graph.tensor<N x !graph.string>, !graph.tensor<3 x i64>, !graph.tensor<3 x i64>, !graph.tensor<3 x f32>) -> !graph.tensor<4 x f32>
// CHECK-NEXT:   %6 = graph.equal %x, %y : (!graph.tensor<N x !graph.string>, !graph.tensor<!graph.string>) -> !graph.tensor<N x i1>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
