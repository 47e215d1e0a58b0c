// RUN: lamina-opt %s --constant 'weight=dense<0.5> : tensor<64x64x3x3xf32>' -p kernel-transform-winograd-weights | filecheck %s

// CHECK-LABEL: @constant_weights
func.func @constant_weights(%x: !layout.tensor<1 x 64 x 56 x 56 x f32>) {
  // CHECK: %[[W:.*]] = kernel.constant @weight.winograd4 : !layout.tensor<45 x 64 x 64 x f32>
  // CHECK: kernel.conv winograd4(%x, %[[W]]) pads
  %w = kernel.constant @weight : !layout.tensor<64 x 64 x 3 x 3 x f32>
  %y = kernel.conv winograd4(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  func.return
}

// Weights that come from outside cannot be transformed here.
// CHECK-LABEL: @weights_from_outside
func.func @weights_from_outside(%x: !layout.tensor<1 x 64 x 56 x 56 x f32>, %w: !layout.tensor<64 x 64 x 3 x 3 x f32>) {
  // CHECK: kernel.conv direct(%x, %w) pads
  %y = kernel.conv winograd4(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  func.return
}
