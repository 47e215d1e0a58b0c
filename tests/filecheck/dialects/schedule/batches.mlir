// RUN: lamina-opt %s | lamina-opt | filecheck %s

// One image at once is what is not said.
// CHECK:      schedule.batches @batches0 reads(%a = %x) writes(%b = %y) of 4 {
// CHECK-NEXT:   %h = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<1 x 8 x f32>
// CHECK-NEXT:   schedule.stage @softmax0 %h = kernel.softmax(%a)
// CHECK-NEXT:   schedule.barrier
// CHECK-NEXT:   schedule.stage @softmax1 %b = kernel.softmax(%h)
// CHECK-NEXT: }
func.func @one(%x: !layout.tensor<4 x 8 x f32>) {
  %y = schedule.buffer output 0 : !layout.tensor<4 x 8 x f32>
  schedule.batches @batches0 reads(%a = %x) writes(%b = %y) 1 of 4 {
    %h = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<1 x 8 x f32>
    schedule.stage @softmax0 %h = kernel.softmax(%a)
    schedule.barrier
    schedule.stage @softmax1 %b = kernel.softmax(%h)
  }
  func.return
}

// Of a batch of any size the last step may have fewer; an image here is five rows of a matrix.
// CHECK: schedule.batches @batches0 reads(%{{.*}} = %x) writes(%{{.*}} = %y) 2 as n of N {
// CHECK:   %h = schedule.buffer arena lives 0 to 1 : !layout.tensor<(5 * n) x 8 x f32>
func.func @some(%x: !layout.tensor<(5 * N) x 8 x f32>) {
  %y = schedule.buffer output 0 : !layout.tensor<(5 * N) x 8 x f32>
  schedule.batches @batches0 reads(%a = %x) writes(%b = %y) 2 as n of N {
    %h = schedule.buffer arena lives 0 to 1 : !layout.tensor<(5 * n) x 8 x f32>
    schedule.stage @softmax0 %h = kernel.softmax(%a)
    schedule.barrier
    schedule.stage @softmax1 %b = kernel.softmax(%h)
  }
  func.return
}
