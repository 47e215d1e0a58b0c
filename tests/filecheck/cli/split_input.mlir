// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @first() {
  func.return
}

// CHECK: func.func @first()
// CHECK: // -----

// -----

func.func @second(%x: f32) -> i32 {
  func.return %x : f32
}

// CHECK: Operation does not verify

// -----

func.func @third(%x: f32) {
  arith.nonsense %x
}

// CHECK: no operation is called 'arith.nonsense'
