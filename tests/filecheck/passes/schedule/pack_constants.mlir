// RUN: lamina-opt %s --constant "w=dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>" -p schedule-pack-constants | filecheck %s

// The array is packed as the type says, once for each layout; a name that ends in the layout is found without it.
// CHECK:      %a = schedule.buffer constant @w.Ba2b : !layout.tensor<2 x 3 x f32, Ba2b>
// CHECK-NEXT: %b = schedule.buffer constant @w.Ba2b : !layout.tensor<2 x 3 x f32, Ba2b>
// CHECK-NEXT: %c = schedule.buffer constant @w.ba : !layout.tensor<2 x 3 x f32, ba>
// CHECK-NEXT: %d = schedule.buffer constant @w : !layout.tensor<2 x 3 x f32>
func.func @f() {
  %a = schedule.buffer constant @w : !layout.tensor<2 x 3 x f32, Ba2b>
  %b = schedule.buffer constant @w : !layout.tensor<2 x 3 x f32, Ba2b>
  %c = schedule.buffer constant @w.ba : !layout.tensor<2 x 3 x f32, ba>
  %d = schedule.buffer constant @w : !layout.tensor<2 x 3 x f32>
  func.return
}
