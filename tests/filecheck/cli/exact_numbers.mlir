// RUN: lamina-opt %s | filecheck %s
// RUN: lamina-opt %s | lamina-opt | filecheck %s
// RUN: lamina-opt %s --print-op-generic | lamina-opt | filecheck %s

// Numbers without a decimal text are read back as they were, in vectors as well.
// CHECK-LABEL: func.func @numbers
// CHECK: arith.constant 0xff800000 : f32
// CHECK: arith.constant dense<"0x000080FF"> : vector<4xf32>
// CHECK: arith.constant dense<"0x0000804B"> : vector<4xf32>
// CHECK: arith.constant dense<"0x0000803F0000C07F"> : vector<2xf32>
// CHECK: arith.constant dense<1.000000e-01> : vector<4xf32>
func.func @numbers() {
  %0 = arith.constant 0xff800000 : f32
  %1 = arith.constant dense<"0x000080FF"> : vector<4xf32>
  %2 = arith.constant dense<16777216.0> : vector<4xf32>
  %3 = arith.constant dense<"0x0000803F0000C07F"> : vector<2xf32>
  %4 = arith.constant dense<0.1> : vector<4xf32>
  func.return
}
