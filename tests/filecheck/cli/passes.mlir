// RUN: lamina-opt %s -p cse | filecheck %s
// RUN: not lamina-opt %s -p no-such-pass 2>&1 | filecheck %s --check-prefix UNKNOWN
// RUN: not lamina-opt %s --from loops --to graph 2>&1 | filecheck %s --check-prefix BACKWARD
// RUN: not lamina-opt %s --to graph --verify-each 2>&1 | filecheck %s --check-prefix ILLEGAL

func.func @main(%x: f32) -> (f32, f32) {
  %0 = arith.addf %x, %x : f32
  %1 = arith.addf %x, %x : f32
  func.return %0, %1 : f32, f32
}

// CHECK:      func.func @main(%x: f32) -> (f32, f32) {
// CHECK-NEXT:   %0 = arith.addf %x, %x : f32
// CHECK-NEXT:   func.return %0, %0 : f32, f32

// UNKNOWN: error: --passes: no pass is called 'no-such-pass'
// BACKWARD: error: --to: cannot go from phase 'loops' back to 'graph'
// ILLEGAL: after phase 'import' these may not be left: arith.addf (2)
