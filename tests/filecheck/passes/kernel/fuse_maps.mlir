// RUN: lamina-opt %s -p kernel-fuse-maps | filecheck %s

// The second map reads the first one twice and both read %x: all becomes one map of %x.

func.func @chain(%x: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
  %0 = kernel.map ins(%x : !layout.tensor<N x 4 x f32>) epilogue {
  ^bb0(%e: f32):
    %one = arith.constant 1.0 : f32
    %sum = arith.addf %e, %one : f32
    kernel.yield %sum : f32
  } -> !layout.tensor<N x 4 x f32>
  %1 = kernel.map ins(%0, %x : !layout.tensor<N x 4 x f32>, !layout.tensor<N x 4 x f32>) epilogue {
  ^bb0(%s: f32, %e: f32):
    %one = arith.constant 1.0 : f32
    %product = arith.mulf %s, %e : f32
    %difference = arith.subf %product, %one : f32
    kernel.yield %difference : f32
  } -> !layout.tensor<N x 4 x f32>
  func.return %1 : !layout.tensor<N x 4 x f32>
}

// What the second map broadcasts is computed once, and stays.

func.func @broadcast(%x: !layout.tensor<1 x 4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
  %0 = kernel.map ins(%x : !layout.tensor<1 x 4 x f32>) epilogue {
  ^bb0(%e: f32):
    %power = math.exp %e : f32
    kernel.yield %power : f32
  } -> !layout.tensor<1 x 4 x f32>
  %1 = kernel.map ins(%0, %y : !layout.tensor<1 x 4 x f32>, !layout.tensor<N x 4 x f32>) epilogue {
  ^bb0(%e: f32, %f: f32):
    %sum = arith.addf %e, %f : f32
    kernel.yield %sum : f32
  } -> !layout.tensor<N x 4 x f32>
  func.return %1 : !layout.tensor<N x 4 x f32>
}

// Two readers: a cast is copied into both, more work would not be.

func.func @two_readers(%x: !layout.tensor<4 x i32>) -> (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) {
  %0 = kernel.map ins(%x : !layout.tensor<4 x i32>) epilogue {
  ^bb0(%e: i32):
    %number = arith.sitofp %e : i32 to f32
    kernel.yield %number : f32
  } -> !layout.tensor<4 x f32>
  %1 = kernel.map ins(%0 : !layout.tensor<4 x f32>) epilogue {
  ^bb0(%e: f32):
    %power = math.exp %e : f32
    kernel.yield %power : f32
  } -> !layout.tensor<4 x f32>
  %2 = kernel.map ins(%1, %0 : !layout.tensor<4 x f32>, !layout.tensor<4 x f32>) epilogue {
  ^bb0(%e: f32, %f: f32):
    %sum = arith.addf %e, %f : f32
    kernel.yield %sum : f32
  } -> !layout.tensor<4 x f32>
  func.return %1, %2 : !layout.tensor<4 x f32>, !layout.tensor<4 x f32>
}

// A map reads what is repeated before it is; not where only a run can tell whether it is.

func.func @repeated(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<broadcast(M, N) x 4 x f32> {
  %0 = kernel.broadcast ins(%x : !layout.tensor<4 x f32>) -> !layout.tensor<broadcast(M, N) x 4 x f32>
  %1 = kernel.broadcast ins(%y : !layout.tensor<N x 4 x f32>) -> !layout.tensor<broadcast(M, N) x 4 x f32>
  %2 = kernel.map ins(%0, %1 : !layout.tensor<broadcast(M, N) x 4 x f32>, !layout.tensor<broadcast(M, N) x 4 x f32>) epilogue {
  ^bb0(%e: f32, %f: f32):
    %sum = arith.addf %e, %f : f32
    kernel.yield %sum : f32
  } -> !layout.tensor<broadcast(M, N) x 4 x f32>
  func.return %2 : !layout.tensor<broadcast(M, N) x 4 x f32>
}

// CHECK:      func.func @chain(%x: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.map ins(%x : !layout.tensor<N x 4 x f32>) epilogue {
// CHECK-NEXT:   ^bb0(%e: f32):
// CHECK-NEXT:     %one = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:     %sum = arith.addf %e, %one : f32
// CHECK-NEXT:     %product = arith.mulf %sum, %e : f32
// CHECK-NEXT:     %difference = arith.subf %product, %one : f32
// CHECK-NEXT:     kernel.yield %difference : f32
// CHECK-NEXT:   } -> !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   func.return %0 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @broadcast(%x: !layout.tensor<1 x 4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.map ins(%x : !layout.tensor<1 x 4 x f32>) epilogue {
// CHECK-NEXT:   ^bb0(%e: f32):
// CHECK-NEXT:     %power = math.exp %e : f32
// CHECK-NEXT:     kernel.yield %power : f32
// CHECK-NEXT:   } -> !layout.tensor<1 x 4 x f32>
// CHECK-NEXT:   %1 = kernel.map ins(%0, %y : !layout.tensor<1 x 4 x f32>, !layout.tensor<N x 4 x f32>) epilogue {
// CHECK-NEXT:   ^bb0(%e_1: f32, %f: f32):
// CHECK-NEXT:     %sum = arith.addf %e_1, %f : f32
// CHECK-NEXT:     kernel.yield %sum : f32
// CHECK-NEXT:   } -> !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   func.return %1 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @two_readers(%x: !layout.tensor<4 x i32>) -> (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) {
// CHECK-NEXT:   %0 = kernel.map ins(%x : !layout.tensor<4 x i32>) epilogue {
// CHECK-NEXT:   ^bb0(%e: i32):
// CHECK-NEXT:     %number = arith.sitofp %e : i32 to f32
// CHECK-NEXT:     %power = math.exp %number : f32
// CHECK-NEXT:     kernel.yield %power : f32
// CHECK-NEXT:   } -> !layout.tensor<4 x f32>
// CHECK-NEXT:   %1 = kernel.map ins(%0, %x : !layout.tensor<4 x f32>, !layout.tensor<4 x i32>) epilogue {
// CHECK-NEXT:   ^bb0(%e_1: f32, %e_2: i32):
// CHECK-NEXT:     %number_1 = arith.sitofp %e_2 : i32 to f32
// CHECK-NEXT:     %sum = arith.addf %e_1, %number_1 : f32
// CHECK-NEXT:     kernel.yield %sum : f32
// CHECK-NEXT:   } -> !layout.tensor<4 x f32>
// CHECK-NEXT:   func.return %0, %1 : !layout.tensor<4 x f32>, !layout.tensor<4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @repeated(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<(broadcast(M, N)) x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.broadcast ins(%y : !layout.tensor<N x 4 x f32>) -> !layout.tensor<(broadcast(M, N)) x 4 x f32>
// CHECK-NEXT:   %1 = kernel.map ins(%x, %0 : !layout.tensor<4 x f32>, !layout.tensor<(broadcast(M, N)) x 4 x f32>) epilogue {
