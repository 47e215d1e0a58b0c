// RUN: lamina-opt %s --machine avx2 -t program | filecheck %s
// RUN: lamina-opt %s --machine avx2 --from schedule --to loops -t program | filecheck %s
// RUN: not lamina-opt %s --machine avx2 -t lamina -o %t 2>&1 | filecheck %s --check-prefix CODE

// What the runtime is told is in the text of the schedule level, and of each below it.
// CHECK:      "stages": [
// CHECK:        "name": "softmax0",
// CHECK-NEXT:   "function": "softmax_{{[0-9a-f]*}}",
// CHECK-NEXT:   "arguments": [
// CHECK:          "input0",
// CHECK:          "output1",
// CHECK:          "dim",
// CHECK-NEXT:     "N"
// CODE: 'lamina' is made of the llvm level, and nothing here is on it: lower with --to llvm
func.func @main(%x: !graph.tensor<N x 8 x f32> {lamina.name = "x"}) -> (!graph.tensor<N x 8 x f32> {lamina.name = "y"}) {
  %0 = builtin.unrealized_conversion_cast %x : !graph.tensor<N x 8 x f32> to !layout.tensor<N x 8 x f32>
  %1 = func.call @segment0(%0) : (!layout.tensor<N x 8 x f32>) -> !layout.tensor<N x 8 x f32>
  %y = builtin.unrealized_conversion_cast %1 : !layout.tensor<N x 8 x f32> to !graph.tensor<N x 8 x f32>
  func.return %y : !graph.tensor<N x 8 x f32>
}
func.func @segment0(%x: !layout.tensor<N x 8 x f32>) -> !layout.tensor<N x 8 x f32> {
  %y = schedule.buffer output 0 : !layout.tensor<N x 8 x f32>
  schedule.stage @softmax0 %y = kernel.softmax(%x) plan {lanes 8, unroll 1, row_vectors 1}
  func.return %y : !layout.tensor<N x 8 x f32>
}
