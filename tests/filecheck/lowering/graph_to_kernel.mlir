// RUN: lamina-opt %s -p lower-graph-to-kernel --constant 'two=dense<2.0> : tensor<f32>' --constant 'lstm_b=dense<1.0> : tensor<1x16xf32>' | filecheck %s

// @main keeps its graph tensors; casts stand around its calls.

func.func @main(%x: !graph.tensor<N x 4 x f32>) -> !graph.tensor<N x 4 x f32> {
  %0 = func.call @elementwise(%x) : (!graph.tensor<N x 4 x f32>) -> !graph.tensor<N x 4 x f32>
  func.return %0 : !graph.tensor<N x 4 x f32>
}

// A constant of one element goes into the region.

func.func @elementwise(%x: !graph.tensor<N x 4 x f32>) -> !graph.tensor<N x 4 x f32> {
  %two = graph.constant @two : !graph.tensor<f32>
  %0 = graph.mul %x, %two : (!graph.tensor<N x 4 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 4 x f32>
  %1 = graph.relu %0 : !graph.tensor<N x 4 x f32>
  func.return %1 : !graph.tensor<N x 4 x f32>
}

// Integers lose their sign; comparisons keep it.

func.func @unsigned(%x: !graph.tensor<4 x ui8>) -> !graph.tensor<4 x i1> {
  %0 = graph.less %x, %x : (!graph.tensor<4 x ui8>, !graph.tensor<4 x ui8>) -> !graph.tensor<4 x i1>
  func.return %0 : !graph.tensor<4 x i1>
}

// One spatial axis becomes two.

func.func @conv(%x: !graph.tensor<N x 3 x L x f32>) -> !graph.tensor<N x 4 x ((L - 1) floordiv 2 + 1) x f32> {
  %w = graph.constant @w : !graph.tensor<4 x 3 x 3 x f32>
  %0 = graph.conv %x, %w strides [2] pads [1, 1] : (!graph.tensor<N x 3 x L x f32>, !graph.tensor<4 x 3 x 3 x f32>) -> !graph.tensor<N x 4 x ((L - 1) floordiv 2 + 1) x f32>
  func.return %0 : !graph.tensor<N x 4 x ((L - 1) floordiv 2 + 1) x f32>
}

// A transposed operand is read where it lies.

func.func @matmul(%a: !graph.tensor<N x 5 x 2 x 3 x f32>, %b: !graph.tensor<N x 2 x 4 x 3 x f32>) -> !graph.tensor<N x 2 x 5 x 4 x f32> {
  %0 = graph.transpose %a permutation [0, 2, 1, 3] : (!graph.tensor<N x 5 x 2 x 3 x f32>) -> !graph.tensor<N x 2 x 5 x 3 x f32>
  %1 = graph.transpose %b permutation [0, 1, 3, 2] : (!graph.tensor<N x 2 x 4 x 3 x f32>) -> !graph.tensor<N x 2 x 3 x 4 x f32>
  %2 = graph.matmul %0, %1 : (!graph.tensor<N x 2 x 5 x 3 x f32>, !graph.tensor<N x 2 x 3 x 4 x f32>) -> !graph.tensor<N x 2 x 5 x 4 x f32>
  func.return %2 : !graph.tensor<N x 2 x 5 x 4 x f32>
}

// Rows must lie along memory for a softmax; what is returned is row-major.

func.func @softmax(%x: !graph.tensor<N x 4 x 8 x f32>) -> !graph.tensor<N x 4 x 8 x f32> {
  %0 = graph.softmax %x axis 1 : !graph.tensor<N x 4 x 8 x f32>
  func.return %0 : !graph.tensor<N x 4 x 8 x f32>
}

// Slices with steps of 1 are views.

func.func @slices(%x: !graph.tensor<N x 9 x f32>) -> !graph.tensor<N x 3 x f32> {
  %0 = graph.slice %x axes [1] starts [2] ends [8] : (!graph.tensor<N x 9 x f32>) -> !graph.tensor<N x 6 x f32>
  %1 = graph.slice %0 axes [1] starts [0] ends [6] steps [2] : (!graph.tensor<N x 6 x f32>) -> !graph.tensor<N x 3 x f32>
  func.return %1 : !graph.tensor<N x 3 x f32>
}

// A reduced axis is kept, then dropped.

func.func @reduce(%x: !graph.tensor<N x 4 x 6 x f32>) -> !graph.tensor<N x 4 x f32> {
  %0 = graph.reduce mean %x axes [2] : (!graph.tensor<N x 4 x 6 x f32>) -> !graph.tensor<N x 4 x f32>
  func.return %0 : !graph.tensor<N x 4 x f32>
}

// Short columns are walked where they lie, many at once.

func.func @softmax_of_columns(%x: !graph.tensor<N x 4 x 100 x f32>) -> !graph.tensor<N x 4 x 100 x f32> {
  %0 = graph.softmax %x axis 1 : !graph.tensor<N x 4 x 100 x f32>
  func.return %0 : !graph.tensor<N x 4 x 100 x f32>
}

// Padding that comes from rounding up never counts: the rest of it is made of real zeros.

func.func @avg_pool(%x: !graph.tensor<1 x 4 x 6 x 6 x f32>) -> !graph.tensor<1 x 4 x 4 x 4 x f32> {
  %0 = graph.avg_pool %x kernel [2, 2] strides [2, 2] pads [1, 1, 1, 1] overhang [1, 1] count_include_pad : (!graph.tensor<1 x 4 x 6 x 6 x f32>) -> !graph.tensor<1 x 4 x 4 x 4 x f32>
  func.return %0 : !graph.tensor<1 x 4 x 4 x 4 x f32>
}

// The input's projection is one product for all steps.

func.func @lstm(%x: !graph.tensor<T x 1 x 3 x f32>, %h: !graph.tensor<1 x 1 x 2 x f32>) -> !graph.tensor<T x 1 x 1 x 2 x f32> {
  %w = graph.constant @lstm_w : !graph.tensor<1 x 8 x 3 x f32>
  %r = graph.constant @lstm_r : !graph.tensor<1 x 8 x 2 x f32>
  %b = graph.constant @lstm_b : !graph.tensor<1 x 16 x f32>
  %0, %1, %2 = graph.lstm %x, %w, %r, %b, %h, %h : (!graph.tensor<T x 1 x 3 x f32>, !graph.tensor<1 x 8 x 3 x f32>, !graph.tensor<1 x 8 x 2 x f32>, !graph.tensor<1 x 16 x f32>, !graph.tensor<1 x 1 x 2 x f32>, !graph.tensor<1 x 1 x 2 x f32>) -> (!graph.tensor<T x 1 x 1 x 2 x f32>, !graph.tensor<1 x 1 x 2 x f32>, !graph.tensor<1 x 1 x 2 x f32>)
  func.return %0 : !graph.tensor<T x 1 x 1 x 2 x f32>
}

// Random numbers are a function of the key and of their places, those of rows and of columns together.

func.func @random(%k: !graph.tensor<2 x i64>) -> !graph.tensor<N x 64 x f32> {
  %0 = graph.random %k stream 3 : (!graph.tensor<2 x i64>) -> !graph.tensor<N x 64 x f32>
  func.return %0 : !graph.tensor<N x 64 x f32>
}

// A value that only a run gives takes the place of zeros outside of what is padded.

func.func @pad(%x: !graph.tensor<N x 4 x f32>, %v: !graph.tensor<f32>) -> !graph.tensor<N x 7 x f32> {
  %0 = graph.pad %x, %v pads [0, 1, 0, 2] : (!graph.tensor<N x 4 x f32>, !graph.tensor<f32>) -> !graph.tensor<N x 7 x f32>
  func.return %0 : !graph.tensor<N x 7 x f32>
}

// CHECK:      func.func @main(%x: !graph.tensor<N x 4 x f32>) -> !graph.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = builtin.unrealized_conversion_cast %x : !graph.tensor<N x 4 x f32> to !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   %1 = func.call @elementwise(%0) : (!layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   %2 = builtin.unrealized_conversion_cast %1 : !layout.tensor<N x 4 x f32> to !graph.tensor<N x 4 x f32>
// CHECK-NEXT:   func.return %2 : !graph.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @elementwise(%x: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.map(%x) : !layout.tensor<N x 4 x f32> each(%a) {%1 = arith.constant 2.000000e+00 : f32, %2 = arith.mulf %a, %1 : f32}
// CHECK-NEXT:   %1 = kernel.map(%0) : !layout.tensor<N x 4 x f32> each(%a) {%2 = arith.constant 0.000000e+00 : f32, %3 = arith.maximumf %a, %2 : f32}
// CHECK-NEXT:   func.return %1 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @unsigned(%x: !layout.tensor<4 x i8>) -> !layout.tensor<4 x i1> {
// CHECK-NEXT:   %0 = kernel.map(%x) : !layout.tensor<4 x i1> each(%a) {%1 = arith.cmpi ult, %a, %a : i8}
// CHECK-NEXT:   func.return %0 : !layout.tensor<4 x i1>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @conv(%x: !layout.tensor<N x 3 x L x f32>) -> !layout.tensor<N x 4 x ((L + 1) floordiv 2) x f32> {
// CHECK-NEXT:   %w = kernel.constant @w : !layout.tensor<4 x 3 x 3 x f32>
// CHECK-NEXT:   %0 = layout.reshape %x : !layout.tensor<N x 3 x 1 x L x f32>
// CHECK-NEXT:   %1 = layout.reshape %w : !layout.tensor<4 x 3 x 1 x 3 x f32>
// CHECK-NEXT:   %2 = kernel.conv(%0, %1) strides [1, 2] pads [0, 1, 0, 1] : !layout.tensor<N x 4 x 1 x ((L + 1) floordiv 2) x f32>
// CHECK-NEXT:   %3 = layout.reshape %2 : !layout.tensor<N x 4 x ((L + 1) floordiv 2) x f32>
// CHECK-NEXT:   func.return %3 : !layout.tensor<N x 4 x ((L + 1) floordiv 2) x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @matmul(%a: !layout.tensor<N x 5 x 2 x 3 x f32>, %b: !layout.tensor<N x 2 x 4 x 3 x f32>) -> !layout.tensor<N x 2 x 5 x 4 x f32> {
// CHECK-NEXT:   %0 = layout.transpose %a [0, 2, 1, 3] : !layout.tensor<N x 2 x 5 x 3 x f32, acbd>
// CHECK-NEXT:   %1 = layout.transpose %b [0, 1, 3, 2] : !layout.tensor<N x 2 x 3 x 4 x f32, abdc>
// CHECK-NEXT:   %2 = layout.transpose %1 [0, 1, 3, 2] : !layout.tensor<N x 2 x 4 x 3 x f32>
// CHECK-NEXT:   %3 = kernel.gemm(%0, %2) transpose_b : !layout.tensor<N x 2 x 5 x 4 x f32>
// CHECK-NEXT:   func.return %3 : !layout.tensor<N x 2 x 5 x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @softmax(%x: !layout.tensor<N x 4 x 8 x f32>) -> !layout.tensor<N x 4 x 8 x f32> {
// CHECK-NEXT:   %0 = layout.transpose %x [0, 2, 1] : !layout.tensor<N x 8 x 4 x f32, acb>
// CHECK-NEXT:   %1 = layout.convert %0 : !layout.tensor<N x 8 x 4 x f32>
// CHECK-NEXT:   %2 = kernel.softmax(%1) : !layout.tensor<N x 8 x 4 x f32>
// CHECK-NEXT:   %3 = layout.transpose %2 [0, 2, 1] : !layout.tensor<N x 4 x 8 x f32, acb>
// CHECK-NEXT:   %4 = layout.convert %3 : !layout.tensor<N x 4 x 8 x f32>
// CHECK-NEXT:   func.return %4 : !layout.tensor<N x 4 x 8 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @slices(%x: !layout.tensor<N x 9 x f32>) -> !layout.tensor<N x 3 x f32> {
// CHECK-NEXT:   %0 = layout.window %x at [0, 2] : !layout.tensor<N x 6 x f32, ab window [0, 2, 0, 1]>
// CHECK-NEXT:   %1 = kernel.slice(%0) starts [0, 0] steps [1, 2] : !layout.tensor<N x 3 x f32>
// CHECK-NEXT:   func.return %1 : !layout.tensor<N x 3 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @reduce(%x: !layout.tensor<N x 4 x 6 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.reduce mean(%x) axes [2] : !layout.tensor<N x 4 x 1 x f32>
// CHECK-NEXT:   %1 = layout.reshape %0 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   func.return %1 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @softmax_of_columns(%x: !layout.tensor<N x 4 x 100 x f32>) -> !layout.tensor<N x 4 x 100 x f32> {
// CHECK-NEXT:   %0 = kernel.reduce max(%x) axes [1] : !layout.tensor<N x 1 x 100 x f32>
// CHECK-NEXT:   %1 = kernel.map(%x, %0) : !layout.tensor<N x 4 x 100 x f32> each(%a, %b) {%2 = arith.subf %a, %b : f32, %3 = math.exp %2 : f32}
// CHECK-NEXT:   %2 = kernel.reduce sum(%1) axes [1] : !layout.tensor<N x 1 x 100 x f32>
// CHECK-NEXT:   %3 = kernel.map(%2) : !layout.tensor<N x 1 x 100 x f32> each(%a) {%4 = arith.constant 1.000000e+00 : f32, %5 = arith.divf %4, %a : f32}
// CHECK-NEXT:   %4 = kernel.map(%1, %3) : !layout.tensor<N x 4 x 100 x f32> each(%a, %b) {%5 = arith.mulf %a, %b : f32}
// CHECK-NEXT:   func.return %4 : !layout.tensor<N x 4 x 100 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @avg_pool(%x: !layout.tensor<1 x 4 x 6 x 6 x f32>) -> !layout.tensor<1 x 4 x 4 x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.pad(%x) lower [0, 0, 1, 1] upper [0, 0, 0, 0] : !layout.tensor<1 x 4 x 7 x 7 x f32>
// CHECK-NEXT:   %1 = kernel.pool average(%0) window [2, 2] strides [2, 2] pads [0, 0, 1, 1] : !layout.tensor<1 x 4 x 4 x 4 x f32>
// CHECK-NEXT:   func.return %1 : !layout.tensor<1 x 4 x 4 x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @lstm(%x: !layout.tensor<T x 1 x 3 x f32>, %h: !layout.tensor<1 x 1 x 2 x f32>) -> !layout.tensor<T x 1 x 1 x 2 x f32> {
// CHECK-NEXT:   %r = kernel.constant @lstm_r : !layout.tensor<1 x 8 x 2 x f32>
// CHECK-NEXT:   %0 = kernel.constant @lstm_b_sum : !layout.tensor<8 x f32>
// CHECK-NEXT:   %w = kernel.constant @lstm_w : !layout.tensor<1 x 8 x 3 x f32>
// CHECK-NEXT:   %1 = layout.reshape %w : !layout.tensor<8 x 3 x f32>
// CHECK-NEXT:   %2 = kernel.gemm(%x, %1, %0) transpose_b : !layout.tensor<T x 1 x 8 x f32>
// CHECK-NEXT:   %3 = layout.reshape %r : !layout.tensor<1 x 4 x 2 x 2 x f32>
// CHECK-NEXT:   %4 = layout.transpose %3 [0, 3, 1, 2] : !layout.tensor<1 x 2 x 4 x 2 x f32, NHWC>
// CHECK-NEXT:   %5, %6, %7 = kernel.recurrence lstm(%2, %4, %h, %h) : !layout.tensor<T x 1 x 1 x 2 x f32>, !layout.tensor<1 x 1 x 2 x f32>, !layout.tensor<1 x 1 x 2 x f32>
// CHECK-NEXT:   func.return %5 : !layout.tensor<T x 1 x 1 x 2 x f32>
// CHECK-NEXT: }

// CHECK:      func.func @random
// CHECK:        %[[COLUMNS:.*]] = kernel.range(%{{.*}}) : !layout.tensor<64 x i64>
// CHECK:        %[[ROWS:.*]] = layout.reshape %{{.*}} : !layout.tensor<N x 1 x i64>
// CHECK:        kernel.map(%{{.*}}, %{{.*}}, %[[ROWS]], %[[COLUMNS]]) : !layout.tensor<N x 64 x f32> each(%a, %b, %c, %d) {
// CHECK-NEXT:     %[[PLACE:.*]] = arith.addi %c, %d : i64
// CHECK-NEXT:     %{{.*}} = arith.trunci %[[PLACE]] : i64 to i32
// CHECK:          %{{.*}} = arith.constant 466688986 : i32
// CHECK:          %{{.*}} = arith.sitofp %{{.*}} : i32 to f32

// CHECK:      func.func @pad
// CHECK-NEXT:   %[[ZEROS:.*]] = kernel.pad(%x) {{.*}} : !layout.tensor<N x 7 x f32>
// CHECK:        %[[PLACES:.*]] = layout.reshape %{{.*}} : !layout.tensor<1 x 7 x i64>
// CHECK:        %[[FIRST:.*]] = kernel.dim_values() values [1]
// CHECK:        %[[END:.*]] = kernel.dim_values() values [5]
// CHECK:        kernel.map(%[[ZEROS]], %v, %[[PLACES]], %[[FIRST]], %[[END]]) : !layout.tensor<N x 7 x f32> each
// CHECK:          arith.cmpi sge, %c, %d : i64
