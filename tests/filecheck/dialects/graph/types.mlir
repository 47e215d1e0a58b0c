// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @shapes(%a: !graph.tensor<f32>, %b: !graph.tensor<2 x 3 x f16>, %c: !graph.tensor<N x (H floordiv 2) x (2 * H + 1) x bf16>, %d: !graph.tensor<0 x f64>, %e: !graph.tensor<(max(M, N)) x (N * M) x i1>) {
  func.return
}

func.func @elements(%a: !graph.tensor<1 x i8>, %b: !graph.tensor<1 x i16>, %c: !graph.tensor<1 x i32>, %d: !graph.tensor<1 x i64>, %e: !graph.tensor<1 x ui8>, %f: !graph.tensor<1 x ui16>, %g: !graph.tensor<1 x ui32>, %h: !graph.tensor<1 x ui64>) {
  func.return
}

// One form for equal expressions, however they are written.

func.func @canonical(%a: !graph.tensor<((H - 1) floordiv 2 + 1) x (N + N) x (3 + 4) x f32>) attributes {dim = #graph.dim<(N - 1) floordiv 2>} {
  func.return
}

// CHECK:      func.func @shapes(%a: !graph.tensor<f32>, %b: !graph.tensor<2 x 3 x f16>, %c: !graph.tensor<N x (H floordiv 2) x (2 * H + 1) x bf16>, %d: !graph.tensor<0 x f64>, %e: !graph.tensor<(max(M, N)) x (M * N) x i1>) {
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @elements(%a: !graph.tensor<1 x i8>, %b: !graph.tensor<1 x i16>, %c: !graph.tensor<1 x i32>, %d: !graph.tensor<1 x i64>, %e: !graph.tensor<1 x ui8>, %f: !graph.tensor<1 x ui16>, %g: !graph.tensor<1 x ui32>, %h: !graph.tensor<1 x ui64>) {
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @canonical(%a: !graph.tensor<((H + 1) floordiv 2) x (2 * N) x 7 x f32>) attributes {dim = #graph.dim<((N + 1) floordiv 2) - 1>} {
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
