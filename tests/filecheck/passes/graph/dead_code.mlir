// RUN: lamina-opt %s -p graph-dead-code --constant 'unread=dense<1.0> : tensor<8xf32>' | filecheck %s

func.func @main(%c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
  %0 = graph.constant @unread : !graph.tensor<8 x f32>
  %1 = graph.exp %x : !graph.tensor<8 x f32>
  %2 = graph.add %1, %0 : !graph.tensor<8 x f32>
  %3 = graph.if %c {
    %4 = graph.neg %x : !graph.tensor<8 x f32>
    graph.yield %4 : !graph.tensor<8 x f32>
  } else {
    graph.yield %x : !graph.tensor<8 x f32>
  } : (!graph.tensor<i1>) -> !graph.tensor<8 x f32>
  %5 = graph.if %c {
    %6 = graph.neg %x : !graph.tensor<8 x f32>
    %7 = graph.abs %x : !graph.tensor<8 x f32>
    graph.yield %6 : !graph.tensor<8 x f32>
  } else {
    graph.yield %x : !graph.tensor<8 x f32>
  } : (!graph.tensor<i1>) -> !graph.tensor<8 x f32>
  func.return %5 : !graph.tensor<8 x f32>
}

// CHECK:      func.func @main(%c: !graph.tensor<i1>, %x: !graph.tensor<8 x f32>) -> !graph.tensor<8 x f32> {
// CHECK-NEXT:   %0 = graph.if %c {
// CHECK-NEXT:     %1 = graph.neg %x : !graph.tensor<8 x f32>
// CHECK-NEXT:     graph.yield %1 : !graph.tensor<8 x f32>
// CHECK-NEXT:   } else {
// CHECK-NEXT:     graph.yield %x : !graph.tensor<8 x f32>
// CHECK-NEXT:   } : (!graph.tensor<i1>) -> !graph.tensor<8 x f32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<8 x f32>
// CHECK-NEXT: }
