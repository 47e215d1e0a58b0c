// RUN: lamina-opt %s -p graph-match-signs,graph-dead-code --machine avx2_vnni --constant 'w=dense<[[-3, 2], [100, -128], [5, 6]]> : tensor<3x2xi8>' --constant 'v=dense<[[3, 2], [200, 128], [5, 6]]> : tensor<3x2xui8>' --constant 'k=dense<-2> : tensor<4x8x3x3xi8>' --constant 'd=dense<2> : tensor<8x1x3x3xi8>' --constant 'sums=dense<[1, 2]> : tensor<2xi32>' | filecheck %s
// RUN: lamina-opt %s -p graph-match-signs,graph-dead-code --machine aarch64_dotprod --constant 'w=dense<[[-3, 2], [100, -128], [5, 6]]> : tensor<3x2xi8>' --constant 'v=dense<[[3, 2], [200, 128], [5, 6]]> : tensor<3x2xui8>' --constant 'k=dense<-2> : tensor<4x8x3x3xi8>' --constant 'd=dense<2> : tensor<8x1x3x3xi8>' --constant 'sums=dense<[1, 2]> : tensor<2xi32>' | filecheck %s --check-prefix ARM

// Instructions of x86 take one factor without a sign, and those of this AArch64 two of one kind. A constant that is
// added after takes the correction with it.

func.func @signed(%x: !graph.tensor<M x 3 x i8>) -> !graph.tensor<M x 2 x i32> {
  %w = graph.constant @w : !graph.tensor<3 x 2 x i8>
  %sums = graph.constant @sums : !graph.tensor<2 x i32>
  %0 = graph.matmul %x, %w : (!graph.tensor<M x 3 x i8>, !graph.tensor<3 x 2 x i8>) -> !graph.tensor<M x 2 x i32>
  %1 = graph.add %0, %sums : (!graph.tensor<M x 2 x i32>, !graph.tensor<2 x i32>) -> !graph.tensor<M x 2 x i32>
  func.return %1 : !graph.tensor<M x 2 x i32>
}

func.func @unsigned(%x: !graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 2 x i32> {
  %v = graph.constant @v : !graph.tensor<3 x 2 x ui8>
  %0 = graph.matmul %x, %v : (!graph.tensor<M x 3 x ui8>, !graph.tensor<3 x 2 x ui8>) -> !graph.tensor<M x 2 x i32>
  func.return %0 : !graph.tensor<M x 2 x i32>
}

// ARM:      func.func @mixed
// ARM-NEXT:   %w = graph.constant @w : !graph.tensor<3 x 2 x i8>
// ARM-NEXT:   %0 = graph.cast %x : (!graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 3 x i8>
// ARM-NEXT:   %1 = graph.constant @int8_minus_128 : !graph.tensor<i8>
// ARM-NEXT:   %2 = graph.add %0, %1 : (!graph.tensor<M x 3 x i8>, !graph.tensor<i8>) -> !graph.tensor<M x 3 x i8>
// ARM-NEXT:   %3 = graph.matmul %2, %w : (!graph.tensor<M x 3 x i8>, !graph.tensor<3 x 2 x i8>) -> !graph.tensor<M x 2 x i32>
// ARM-NEXT:   %4 = graph.constant @folded : !graph.tensor<2 x i32>
// ARM-NEXT:   %5 = graph.add %3, %4 : (!graph.tensor<M x 2 x i32>, !graph.tensor<2 x i32>) -> !graph.tensor<M x 2 x i32>

func.func @mixed(%x: !graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 2 x i32> {
  %w = graph.constant @w : !graph.tensor<3 x 2 x i8>
  %0 = graph.matmul %x, %w : (!graph.tensor<M x 3 x ui8>, !graph.tensor<3 x 2 x i8>) -> !graph.tensor<M x 2 x i32>
  func.return %0 : !graph.tensor<M x 2 x i32>
}

func.func @conv(%x: !graph.tensor<1 x 8 x 5 x 5 x i8>) -> (!graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 8 x 5 x 5 x i32>) {
  %k = graph.constant @k : !graph.tensor<4 x 8 x 3 x 3 x i8>
  %d = graph.constant @d : !graph.tensor<8 x 1 x 3 x 3 x i8>
  %0 = graph.conv %x, %k pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x i8>, !graph.tensor<4 x 8 x 3 x 3 x i8>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
  %1 = graph.conv %x, %d pads [1, 1, 1, 1] group 8 : (!graph.tensor<1 x 8 x 5 x 5 x i8>, !graph.tensor<8 x 1 x 3 x 3 x i8>) -> !graph.tensor<1 x 8 x 5 x 5 x i32>
  func.return %0, %1 : !graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 8 x 5 x 5 x i32>
}

// Of two factors that a run computes, the sums of one are computed too.

func.func @computed(%a: !graph.tensor<M x 8 x i8>, %b: !graph.tensor<8 x N x i8>) -> !graph.tensor<M x N x i32> {
  %0 = graph.matmul %a, %b : (!graph.tensor<M x 8 x i8>, !graph.tensor<8 x N x i8>) -> !graph.tensor<M x N x i32>
  func.return %0 : !graph.tensor<M x N x i32>
}

// CHECK:      func.func @signed(%x: !graph.tensor<M x 3 x i8>) -> !graph.tensor<M x 2 x i32> {
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<3 x 2 x i8>
// CHECK-NEXT:   %0 = graph.cast %x : (!graph.tensor<M x 3 x i8>) -> !graph.tensor<M x 3 x ui8>
// CHECK-NEXT:   %1 = graph.constant @uint8_128 : !graph.tensor<ui8>
// CHECK-NEXT:   %2 = graph.add %0, %1 : (!graph.tensor<M x 3 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<M x 3 x ui8>
// CHECK-NEXT:   %3 = graph.matmul %2, %w : (!graph.tensor<M x 3 x ui8>, !graph.tensor<3 x 2 x i8>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %4 = graph.constant @folded : !graph.tensor<2 x i32>
// CHECK-NEXT:   %5 = graph.add %3, %4 : (!graph.tensor<M x 2 x i32>, !graph.tensor<2 x i32>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   func.return %5 : !graph.tensor<M x 2 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @unsigned(%x: !graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 2 x i32> {
// CHECK-NEXT:   %v = graph.constant @v : !graph.tensor<3 x 2 x ui8>
// CHECK-NEXT:   %0 = graph.cast %x : (!graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 3 x i8>
// CHECK-NEXT:   %1 = graph.constant @int8_minus_128 : !graph.tensor<i8>
// CHECK-NEXT:   %2 = graph.add %0, %1 : (!graph.tensor<M x 3 x i8>, !graph.tensor<i8>) -> !graph.tensor<M x 3 x i8>
// CHECK-NEXT:   %3 = graph.matmul %2, %v : (!graph.tensor<M x 3 x i8>, !graph.tensor<3 x 2 x ui8>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   %4 = graph.constant @folded_1 : !graph.tensor<2 x i32>
// CHECK-NEXT:   %5 = graph.add %3, %4 : (!graph.tensor<M x 2 x i32>, !graph.tensor<2 x i32>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   func.return %5 : !graph.tensor<M x 2 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @mixed(%x: !graph.tensor<M x 3 x ui8>) -> !graph.tensor<M x 2 x i32> {
// CHECK-NEXT:   %w = graph.constant @w : !graph.tensor<3 x 2 x i8>
// CHECK-NEXT:   %0 = graph.matmul %x, %w : (!graph.tensor<M x 3 x ui8>, !graph.tensor<3 x 2 x i8>) -> !graph.tensor<M x 2 x i32>
// CHECK-NEXT:   func.return %0 : !graph.tensor<M x 2 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @conv(%x: !graph.tensor<1 x 8 x 5 x 5 x i8>) -> (!graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 8 x 5 x 5 x i32>) {
// CHECK-NEXT:   %k = graph.constant @k : !graph.tensor<4 x 8 x 3 x 3 x i8>
// CHECK-NEXT:   %d = graph.constant @d : !graph.tensor<8 x 1 x 3 x 3 x i8>
// CHECK-NEXT:   %0 = graph.cast %x : (!graph.tensor<1 x 8 x 5 x 5 x i8>) -> !graph.tensor<1 x 8 x 5 x 5 x ui8>
// CHECK-NEXT:   %1 = graph.constant @uint8_128 : !graph.tensor<ui8>
// CHECK-NEXT:   %2 = graph.add %0, %1 : (!graph.tensor<1 x 8 x 5 x 5 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<1 x 8 x 5 x 5 x ui8>
// CHECK-NEXT:   %3 = graph.constant @uint8_128 : !graph.tensor<ui8>
// CHECK-NEXT:   %4 = graph.pad %2, %3 pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x ui8>, !graph.tensor<ui8>) -> !graph.tensor<1 x 8 x 7 x 7 x ui8>
// CHECK-NEXT:   %5 = graph.constant @folded_2 : !graph.tensor<4 x i32>
// CHECK-NEXT:   %6 = graph.conv %4, %k, %5 : (!graph.tensor<1 x 8 x 7 x 7 x ui8>, !graph.tensor<4 x 8 x 3 x 3 x i8>, !graph.tensor<4 x i32>) -> !graph.tensor<1 x 4 x 5 x 5 x i32>
// CHECK-NEXT:   %7 = graph.conv %x, %d pads [1, 1, 1, 1] group 8 : (!graph.tensor<1 x 8 x 5 x 5 x i8>, !graph.tensor<8 x 1 x 3 x 3 x i8>) -> !graph.tensor<1 x 8 x 5 x 5 x i32>
// CHECK-NEXT:   func.return %6, %7 : !graph.tensor<1 x 4 x 5 x 5 x i32>, !graph.tensor<1 x 8 x 5 x 5 x i32>
// CHECK-NEXT: }
// CHECK:      func.func @computed(%a: !graph.tensor<M x 8 x i8>, %b: !graph.tensor<8 x N x i8>) -> !graph.tensor<M x N x i32> {
// CHECK-NEXT:   %0 = graph.cast %b : (!graph.tensor<8 x N x i8>) -> !graph.tensor<8 x N x ui8>
// CHECK-NEXT:   %1 = graph.constant @uint8_128 : !graph.tensor<ui8>
// CHECK-NEXT:   %2 = graph.add %0, %1 : (!graph.tensor<8 x N x ui8>, !graph.tensor<ui8>) -> !graph.tensor<8 x N x ui8>
// CHECK-NEXT:   %3 = graph.constant @ones_uint8_8x1 : !graph.tensor<8 x 1 x ui8>
// CHECK-NEXT:   %4 = graph.matmul %a, %3 : (!graph.tensor<M x 8 x i8>, !graph.tensor<8 x 1 x ui8>) -> !graph.tensor<M x 1 x i32>
// CHECK-NEXT:   %5 = graph.constant @int32_128 : !graph.tensor<i32>
// CHECK-NEXT:   %6 = graph.mul %5, %4 : (!graph.tensor<i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x 1 x i32>
// CHECK-NEXT:   %7 = graph.matmul %a, %2 : (!graph.tensor<M x 8 x i8>, !graph.tensor<8 x N x ui8>) -> !graph.tensor<M x N x i32>
// CHECK-NEXT:   %8 = graph.sub %7, %6 : (!graph.tensor<M x N x i32>, !graph.tensor<M x 1 x i32>) -> !graph.tensor<M x N x i32>
// CHECK-NEXT:   func.return %8 : !graph.tensor<M x N x i32>
// CHECK-NEXT: }
