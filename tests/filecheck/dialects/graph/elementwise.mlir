// RUN: lamina-opt %s | lamina-opt | filecheck %s

func.func @unary(%x: !graph.tensor<N x 8 x f32>) {
  %0 = graph.abs %x : !graph.tensor<N x 8 x f32>
  %1 = graph.neg %x : !graph.tensor<N x 8 x f32>
  %2 = graph.sign %x : !graph.tensor<N x 8 x f32>
  %3 = graph.relu %x : !graph.tensor<N x 8 x f32>
  %4 = graph.exp %x : !graph.tensor<N x 8 x f32>
  %5 = graph.log %x : !graph.tensor<N x 8 x f32>
  %6 = graph.sqrt %x : !graph.tensor<N x 8 x f32>
  %7 = graph.reciprocal %x : !graph.tensor<N x 8 x f32>
  %8 = graph.erf %x : !graph.tensor<N x 8 x f32>
  %9 = graph.tanh %x : !graph.tensor<N x 8 x f32>
  %10 = graph.sigmoid %x : !graph.tensor<N x 8 x f32>
  %11 = graph.sin %x : !graph.tensor<N x 8 x f32>
  %12 = graph.cos %x : !graph.tensor<N x 8 x f32>
  %13 = graph.tan %x : !graph.tensor<N x 8 x f32>
  %14 = graph.asin %x : !graph.tensor<N x 8 x f32>
  %15 = graph.acos %x : !graph.tensor<N x 8 x f32>
  %16 = graph.atan %x : !graph.tensor<N x 8 x f32>
  %17 = graph.sinh %x : !graph.tensor<N x 8 x f32>
  %18 = graph.cosh %x : !graph.tensor<N x 8 x f32>
  %19 = graph.asinh %x : !graph.tensor<N x 8 x f32>
  %20 = graph.acosh %x : !graph.tensor<N x 8 x f32>
  %21 = graph.atanh %x : !graph.tensor<N x 8 x f32>
  %22 = graph.floor %x : !graph.tensor<N x 8 x f32>
  %23 = graph.ceil %x : !graph.tensor<N x 8 x f32>
  %24 = graph.round %x : !graph.tensor<N x 8 x f32>
  %25 = graph.is_nan %x : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x i1>
  %26 = graph.expm1 %x : !graph.tensor<N x 8 x f32>
  %27 = graph.log1p %x : !graph.tensor<N x 8 x f32>
  %28 = graph.gelu %x : !graph.tensor<N x 8 x f32>
  %29 = graph.gelu %x tanh : !graph.tensor<N x 8 x f32>
  func.return
}

func.func @binary(%a: !graph.tensor<N x 8 x f32>, %b: !graph.tensor<8 x f32>, %n: !graph.tensor<N x i64>) {
  %0 = graph.add %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %1 = graph.sub %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %2 = graph.mul %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %3 = graph.div %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %4 = graph.pow %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %5 = graph.maximum %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %6 = graph.minimum %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %7 = graph.mod %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  %8 = graph.equal %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
  %9 = graph.less %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
  %10 = graph.less_equal %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
  %11 = graph.greater %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
  %12 = graph.greater_equal %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
  %13 = graph.and %n, %n : !graph.tensor<N x i64>
  %14 = graph.or %n, %n : !graph.tensor<N x i64>
  %15 = graph.xor %n, %n : !graph.tensor<N x i64>
  %16 = graph.shift_left %n, %n : !graph.tensor<N x i64>
  %17 = graph.shift_right %n, %n : !graph.tensor<N x i64>
  %18 = graph.mod %a, %a fmod : !graph.tensor<N x 8 x f32>
  %19 = graph.pow %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
  func.return
}

func.func @others(%c: !graph.tensor<N x 1 x i1>, %a: !graph.tensor<N x 8 x f32>, %s: !graph.tensor<f32>) {
  %0 = graph.not %c : !graph.tensor<N x 1 x i1>
  %1 = graph.where %c, %a, %s : (!graph.tensor<N x 1 x i1>, !graph.tensor<N x 8 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 8 x f32>
  %2 = graph.cast %a : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x ui8>
  %3 = graph.cast %a saturate : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x i8>
  %b32 = graph.bitcast %a : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x ui32>
  %4 = graph.add %a, %a {origin = "Add_7"} : !graph.tensor<N x 8 x f32>
  func.return
}

// CHECK:      func.func @unary(%x: !graph.tensor<N x 8 x f32>) {
// CHECK-NEXT:   %0 = graph.abs %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %1 = graph.neg %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %2 = graph.sign %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %3 = graph.relu %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %4 = graph.exp %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %5 = graph.log %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %6 = graph.sqrt %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %7 = graph.reciprocal %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %8 = graph.erf %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %9 = graph.tanh %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %10 = graph.sigmoid %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %11 = graph.sin %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %12 = graph.cos %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %13 = graph.tan %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %14 = graph.asin %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %15 = graph.acos %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %16 = graph.atan %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %17 = graph.sinh %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %18 = graph.cosh %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %19 = graph.asinh %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %20 = graph.acosh %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %21 = graph.atanh %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %22 = graph.floor %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %23 = graph.ceil %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %24 = graph.round %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %25 = graph.is_nan %x : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x i1>
// CHECK-NEXT:   %26 = graph.expm1 %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %27 = graph.log1p %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %28 = graph.gelu %x : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %29 = graph.gelu %x tanh : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @binary(%a: !graph.tensor<N x 8 x f32>, %b: !graph.tensor<8 x f32>, %n: !graph.tensor<N x i64>) {
// CHECK-NEXT:   %0 = graph.add %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %1 = graph.sub %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %2 = graph.mul %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %3 = graph.div %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %4 = graph.pow %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %5 = graph.maximum %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %6 = graph.minimum %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %7 = graph.mod %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %8 = graph.equal %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
// CHECK-NEXT:   %9 = graph.less %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
// CHECK-NEXT:   %10 = graph.less_equal %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
// CHECK-NEXT:   %11 = graph.greater %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
// CHECK-NEXT:   %12 = graph.greater_equal %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x i1>
// CHECK-NEXT:   %13 = graph.and %n, %n : !graph.tensor<N x i64>
// CHECK-NEXT:   %14 = graph.or %n, %n : !graph.tensor<N x i64>
// CHECK-NEXT:   %15 = graph.xor %n, %n : !graph.tensor<N x i64>
// CHECK-NEXT:   %16 = graph.shift_left %n, %n : !graph.tensor<N x i64>
// CHECK-NEXT:   %17 = graph.shift_right %n, %n : !graph.tensor<N x i64>
// CHECK-NEXT:   %18 = graph.mod %a, %a fmod : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %19 = graph.pow %a, %b : (!graph.tensor<N x 8 x f32>, !graph.tensor<8 x f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK:      func.func @others(%c: !graph.tensor<N x 1 x i1>, %a: !graph.tensor<N x 8 x f32>, %s: !graph.tensor<f32>) {
// CHECK-NEXT:   %0 = graph.not %c : !graph.tensor<N x 1 x i1>
// CHECK-NEXT:   %1 = graph.where %c, %a, %s : (!graph.tensor<N x 1 x i1>, !graph.tensor<N x 8 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   %2 = graph.cast %a : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x ui8>
// CHECK-NEXT:   %3 = graph.cast %a saturate : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x i8>
// CHECK-NEXT:   %b32 = graph.bitcast %a : (!graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x ui32>
// CHECK-NEXT:   %4 = graph.add %a, %a {origin = "Add_7"} : !graph.tensor<N x 8 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
