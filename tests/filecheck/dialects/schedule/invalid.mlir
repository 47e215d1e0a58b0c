// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @kind() {
  %0 = schedule.buffer heap : !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: kind 'heap' is none of arena, output, constant

// -----

func.func @live_range() {
  %0 = schedule.buffer arena : !layout.tensor<4 x f32>
  func.return
}

// CHECK: C2: a buffer of kind arena lacks its live range, index or name

// -----

func.func @lives_forever() {
  %0 = schedule.buffer constant @w lives 0 to 1 : !layout.tensor<4 x f32>
  func.return
}

// CHECK: C3: a buffer of kind constant has a live range or offset, which arena buffers have

// -----

func.func @inputs(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 ins(%x : !layout.tensor<4 x f32>) outs(%y : !layout.tensor<4 x f32>) {
    %0 = kernel.dim_values ins() values [1, 2, 3, 4] -> !layout.tensor<4 x f32>
    schedule.yield %0 : !layout.tensor<4 x f32>
  }
  func.return
}

// CHECK: C1: the region's arguments differ from the stage's inputs in number or type

// -----

func.func @outputs(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 ins(%x : !layout.tensor<4 x f32>) outs(%y : !layout.tensor<4 x f32>) {
  ^bb0(%a: !layout.tensor<4 x f32>):
    %0 = kernel.reduce ins(%a : !layout.tensor<4 x f32>) kind sum axes [0] -> !layout.tensor<1 x f32>
    schedule.yield %0 : !layout.tensor<1 x f32>
  }
  func.return
}

// CHECK: C2: the body must yield the types of the output buffers

// -----

func.func @kernels(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 ins(%x : !layout.tensor<4 x f32>) outs(%y : !layout.tensor<4 x f32>) {
  ^bb0(%a: !layout.tensor<4 x f32>):
    %0 = kernel.softmax ins(%a : !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32>
    %1 = kernel.softmax ins(%0 : !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32>
    schedule.yield %1 : !layout.tensor<4 x f32>
  }
  func.return
}

// CHECK: C3: the body holds 2 kernels, expected 1

// -----

func.func @unknown_decision(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 ins(%x : !layout.tensor<4 x f32>) outs(%y : !layout.tensor<4 x f32>) tile {rws = 4} {
  ^bb0(%a: !layout.tensor<4 x f32>):
    %0 = kernel.softmax ins(%a : !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32>
    schedule.yield %0 : !layout.tensor<4 x f32>
  }
  func.return
}

// CHECK: C4: kernel.softmax has no decision 'rws'

// -----

func.func @number(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 ins(%x : !layout.tensor<4 x f32>) outs(%y : !layout.tensor<4 x f32>) tile {lanes = 0} {
  ^bb0(%a: !layout.tensor<4 x f32>):
    %0 = kernel.softmax ins(%a : !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32>
    schedule.yield %0 : !layout.tensor<4 x f32>
  }
  func.return
}

// CHECK: C4: lanes = 0, expected 1 to 64

// -----

func.func @word(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 ins(%x : !layout.tensor<4 x f32>) outs(%y : !layout.tensor<4 x f32>) tile {lanes = many} {
  ^bb0(%a: !layout.tensor<4 x f32>):
    %0 = kernel.softmax ins(%a : !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32>
    schedule.yield %0 : !layout.tensor<4 x f32>
  }
  func.return
}

// CHECK: C4: lanes = many, expected 1 to 64
