// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @rank(%x: !layout.tensor<4 x 4 x f32, NCHW>) {
  func.return
}

// CHECK: layout 'abcd' has 4 axes, the shape has 2

// -----

func.func @convert(%x: !layout.tensor<4 x 4 x f32>) {
  %0 = layout.convert %x : !layout.tensor<4 x 5 x f32, ba>
  func.return
}

// CHECK: C1: source and result of layout.convert differ in shape or element type

// -----

func.func @permutation(%x: !layout.tensor<4 x 5 x f32>) {
  %0 = layout.transpose %x [0, 0] : !layout.tensor<4 x 4 x f32>
  func.return
}

// CHECK: C1: [0, 0] is no permutation of the source's 2 axes

// -----

func.func @transposed_type(%x: !layout.tensor<4 x 5 x f32>) {
  %0 = layout.transpose %x [1, 0] : !layout.tensor<5 x 4 x f32>
  func.return
}

// CHECK: C2: the result must have type !layout.tensor<5 x 4 x f32, ba>

// -----

func.func @reshaped_layout(%x: !layout.tensor<4 x 5 x f32, ba>) {
  %0 = layout.reshape %x : !layout.tensor<20 x f32>
  func.return
}

// CHECK: C1: a tensor in layout ba has no view of this shape

// -----

func.func @reshaped_type(%x: !layout.tensor<4 x 6 x f32, ba>) {
  %0 = layout.reshape %x : !layout.tensor<4 x 2 x 3 x f32>
  func.return
}

// CHECK: C3: the result must have type !layout.tensor<4 x 2 x 3 x f32, bca>

// -----

func.func @element_count(%x: !layout.tensor<N x 6 x f32>) {
  %0 = layout.reshape %x : !layout.tensor<(2 * N) x 4 x f32>
  func.return
}

// CHECK: C2: source and result of layout.reshape differ in their number of elements

// -----

func.func @starts(%x: !layout.tensor<4 x 5 x f32>) {
  %0 = layout.window %x at [1] : !layout.tensor<2 x 5 x f32>
  func.return
}

// CHECK: C1: 1 starts and a result of 2 axes for a source of 2

// -----

func.func @window_type(%x: !layout.tensor<4 x 5 x f32>) {
  %0 = layout.window %x at [1, 0] : !layout.tensor<2 x 5 x f32>
  func.return
}

// CHECK: C3: the result must have type !layout.tensor<2 x 5 x f32, ab window [1, 0, 1, 0]>

// -----

func.func @window_outside(%x: !layout.tensor<4 x 5 x f32>) {
  %0 = layout.window %x at [3, 0] : !layout.tensor<2 x 5 x f32>
  func.return
}

// CHECK: C2: 2 from 3 on are not inside the source's 4 along axis 0

// -----

func.func @margins(%x: !layout.tensor<4 x f32, a window [0, -1]>) {
  func.return
}

// CHECK: margins [0] and [-1]: expected 0 or more

// -----

func.func @halo_of_channels(%x: !layout.tensor<1 x 32 x 4 x 4 x f32, NCHW16c halo [0, 16, 0, 0, 0, 0, 0, 0]>) {
  func.return
}

// CHECK: layout 'aBcd16b' has a halo along an axis that is split in blocks
