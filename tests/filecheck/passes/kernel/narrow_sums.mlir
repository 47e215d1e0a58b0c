// RUN: lamina-opt %s -p kernel-narrow-sums | filecheck %s

func.func @bytes(%x: !layout.tensor<8 x 64 x i8>) -> (!layout.tensor<8 x 1 x i32>, !layout.tensor<1 x 64 x i32>) {
  %0 = kernel.map(%x) : !layout.tensor<8 x 64 x i32> each(%a) {%w = arith.extui %a : i8 to i32}
  %1 = kernel.reduce sum(%0) axes [1] : !layout.tensor<8 x 1 x i32>
  %2 = kernel.map(%x) : !layout.tensor<8 x 64 x i32> each(%a) {%w = arith.extsi %a : i8 to i32}
  %3 = kernel.reduce sum(%2) axes [0] : !layout.tensor<1 x 64 x i32>
  func.return %1, %3 : !layout.tensor<8 x 1 x i32>, !layout.tensor<1 x 64 x i32>
}

// What is more than widened stays, and so does a maximum.

func.func @others(%x: !layout.tensor<8 x 64 x i8>) -> (!layout.tensor<8 x 1 x i32>, !layout.tensor<8 x 1 x i32>) {
  %0 = kernel.map(%x) : !layout.tensor<8 x 64 x i32> each(%a) {%w = arith.extui %a : i8 to i32, %s = arith.muli %w, %w : i32}
  %1 = kernel.reduce sum(%0) axes [1] : !layout.tensor<8 x 1 x i32>
  %2 = kernel.map(%x) : !layout.tensor<8 x 64 x i32> each(%a) {%w = arith.extsi %a : i8 to i32}
  %3 = kernel.reduce max(%2) axes [1] : !layout.tensor<8 x 1 x i32>
  func.return %1, %3 : !layout.tensor<8 x 1 x i32>, !layout.tensor<8 x 1 x i32>
}

// CHECK:      func.func @bytes(%x: !layout.tensor<8 x 64 x i8>) -> (!layout.tensor<8 x 1 x i32>, !layout.tensor<1 x 64 x i32>) {
// CHECK-NEXT:   %0 = kernel.reduce sum(%x) axes [1] unsigned [0] : !layout.tensor<8 x 1 x i32>
// CHECK-NEXT:   %1 = kernel.reduce sum(%x) axes [0] : !layout.tensor<1 x 64 x i32>
// CHECK-NEXT:   func.return %0, %1 : !layout.tensor<8 x 1 x i32>, !layout.tensor<1 x 64 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @others(%x: !layout.tensor<8 x 64 x i8>) -> (!layout.tensor<8 x 1 x i32>, !layout.tensor<8 x 1 x i32>) {
// CHECK-NEXT:   %0 = kernel.map(%x) : !layout.tensor<8 x 64 x i32> each(%a) {%w = arith.extui %a : i8 to i32, %s = arith.muli %w, %w : i32}
// CHECK-NEXT:   %1 = kernel.reduce sum(%0) axes [1] : !layout.tensor<8 x 1 x i32>
// CHECK-NEXT:   %2 = kernel.map(%x) : !layout.tensor<8 x 64 x i32> each(%a) {%w = arith.extsi %a : i8 to i32}
// CHECK-NEXT:   %3 = kernel.reduce max(%2) axes [1] : !layout.tensor<8 x 1 x i32>
// CHECK-NEXT:   func.return %1, %3 : !layout.tensor<8 x 1 x i32>, !layout.tensor<8 x 1 x i32>
// CHECK-NEXT: }
