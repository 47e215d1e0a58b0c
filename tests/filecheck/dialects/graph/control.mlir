// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @if(%c: !graph.tensor<i1>, %x: !graph.tensor<N x f32>) -> !graph.tensor<taken x f32> {
  %0 = graph.if %c {
    %1 = graph.relu %x : !graph.tensor<N x f32>
    graph.yield %1 : !graph.tensor<N x f32>
  } else {
    %2 = graph.slice %x axes [0] starts [0] ends [1] : (!graph.tensor<N x f32>) -> !graph.tensor<1 x f32>
    graph.yield %2 : !graph.tensor<1 x f32>
  } {else_checks = [["N", "2", "why"]]} : (!graph.tensor<i1>) -> !graph.tensor<taken x f32>
  func.return %0 : !graph.tensor<taken x f32>
}

func.func @loop(%n: !graph.tensor<i64>, %c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) {
  %0, %1 = graph.loop %n, %c, %x {
  ^bb0(%i: !graph.tensor<i64>, %go: !graph.tensor<i1>, %v: !graph.tensor<8 x f32>):
    %2 = graph.add %v, %v : !graph.tensor<8 x f32>
    graph.yield %go, %2, %v : !graph.tensor<i1>, !graph.tensor<8 x f32>, !graph.tensor<8 x f32>
  } : (!graph.tensor<i64>, !graph.tensor<i1>, !graph.tensor<8 x f32>) -> (!graph.tensor<8 x f32>, !graph.tensor<rounds x 8 x f32>)
  func.return
}

// CHECK:      func.func @if(%c: !graph.tensor<i1>, %x: !graph.tensor<N x f32>) -> !graph.tensor<taken x f32> {
// CHECK-NEXT:   %0 = graph.if %c {
// CHECK-NEXT:     %1 = graph.relu %x : !graph.tensor<N x f32>
// CHECK-NEXT:     graph.yield %1 : !graph.tensor<N x f32>
// CHECK-NEXT:   } else {
// CHECK-NEXT:     %2 = graph.slice %x axes [0] starts [0] ends [1] : (!graph.tensor<N x f32>) -> !graph.tensor<1 x f32>
// CHECK-NEXT:     graph.yield %2 : !graph.tensor<1 x f32>
// CHECK-NEXT:   } {else_checks = [["N", "2", "why"]]} : (!graph.tensor<i1>) -> !graph.tensor<taken x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<taken x f32>
// CHECK-NEXT: }
// CHECK:      func.func @loop(%n: !graph.tensor<i64>, %c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) {
// CHECK-NEXT:   %0, %1 = graph.loop %n, %c, %x {
// CHECK-NEXT:   ^bb0(%i: !graph.tensor<i64>, %go: !graph.tensor<i1>, %v: !graph.tensor<8 x f32>):
// CHECK-NEXT:     %2 = graph.add %v, %v : !graph.tensor<8 x f32>
// CHECK-NEXT:     graph.yield %go, %2, %v : !graph.tensor<i1>, !graph.tensor<8 x f32>, !graph.tensor<8 x f32>
// CHECK-NEXT:   } : (!graph.tensor<i64>, !graph.tensor<i1>, !graph.tensor<8 x f32>) -> (!graph.tensor<8 x f32>, !graph.tensor<rounds x 8 x f32>)
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
