// RUN: lamina-opt %s | lamina-opt | filecheck %s

// Every kernel, printed and read back.

func.func @contractions(%x: !layout.tensor<N x 8 x 6 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>, %b: !layout.tensor<4 x f32>, %s: !layout.tensor<N x 4 x 3 x 3 x f32>, %m: !layout.tensor<2 x 6 x 5 x f32>, %k: !layout.tensor<7 x 6 x f32>) {
  %0 = kernel.conv direct(%x, %w, %b) strides [2, 2] pads [1, 1, 1, 1] groups 2 : !layout.tensor<N x 4 x 3 x 3 x f32> epilogue(%e, %f = %s) {%sum = arith.addf %e, %f : f32}
  %1 = kernel.gemm(%m, %k) transpose_a transpose_b : !layout.tensor<2 x 5 x 7 x f32>
  func.return
}

func.func @attention(%q: !layout.tensor<N x 6 x S x 8 x f32>, %k: !layout.tensor<N x 2 x T x 8 x f32>, %v: !layout.tensor<N x 2 x T x 4 x f32>, %m: !layout.tensor<S x T x f32>) {
  %0 = kernel.attention(%q, %k, %v) zero_empty : !layout.tensor<N x 6 x S x 4 x f32> scores(%e, %f = %m) {%sum = arith.addf %e, %f : f32}
  func.return
}

func.func @elementwise(%x: !layout.tensor<N x 4 x f32>, %y: !layout.tensor<4 x f32>) {
  %0 = kernel.map(%x, %y) : !layout.tensor<N x 4 x i1> each(%e, %f) {%less = arith.cmpf olt, %e, %f : f32}
  func.return
}

// Bytes that are summed, or the largest of which is looked for.

func.func @bytes(%x: !layout.tensor<N x 4 x 6 x 6 x i8>) {
  %0 = kernel.reduce sum(%x) axes [2, 3] unsigned [0] : !layout.tensor<N x 4 x 1 x 1 x i32>
  %1 = kernel.pool max(%x) window [3, 3] unsigned [0] : !layout.tensor<N x 4 x 4 x 4 x i8>
  func.return
}

func.func @reductions(%x: !layout.tensor<N x 4 x 6 x 6 x f32>, %scale: !layout.tensor<6 x f32>, %bias: !layout.tensor<6 x f32>) {
  %0 = kernel.reduce mean(%x) axes [2, 3] : !layout.tensor<N x 4 x 1 x 1 x f32>
  %1 = kernel.arg_reduce max(%x) axis 1 last : !layout.tensor<N x 1 x 6 x 6 x i64>
  %2 = kernel.softmax(%x) : !layout.tensor<N x 4 x 6 x 6 x f32>
  %3 = kernel.layer_norm(%x, %scale, %bias) axis 3 epsilon 1.0e-05 : !layout.tensor<N x 4 x 6 x 6 x f32>
  %4 = kernel.pool average(%x) window [3, 3] strides [2, 2] pads [1, 1, 1, 1] count_include_pad : !layout.tensor<N x 4 x 3 x 3 x f32>
  %5 = kernel.cumulative_sum(%x) axis 2 exclusive reverse : !layout.tensor<N x 4 x 6 x 6 x f32>
  func.return
}

func.func @movement(%x: !layout.tensor<N x 4 x f32>, %i: !layout.tensor<3 x i64>, %j: !layout.tensor<N x 2 x i64>, %s: !layout.tensor<i64>) {
  %0 = kernel.pad(%x) lower [0, 1] upper [N, 2] value "-inf" : !layout.tensor<(2 * N) x 7 x f32>
  %1 = kernel.pad reflect(%x) lower [0, 1] upper [0, 2] : !layout.tensor<N x 7 x f32>
  %2 = kernel.concat(%x, %x) axis 1 : !layout.tensor<N x 8 x f32>
  %3 = kernel.slice(%x) starts [N - 1, 0] steps [-1, 2] : !layout.tensor<N x 2 x f32>
  %4 = kernel.broadcast(%x) : !layout.tensor<5 x N x 4 x f32>
  %5 = kernel.gather(%x, %i) axis 0 : !layout.tensor<3 x 4 x f32>
  %6 = kernel.gather_elements(%x, %j) axis 1 : !layout.tensor<N x 2 x f32>
  %7 = kernel.dim_values() values [N, 2 * N + 1] : !layout.tensor<2 x i64>
  %8 = kernel.range(%s, %s) : !layout.tensor<N x i64>
  %9 = kernel.constant @weight : !layout.tensor<4 x 4 x f32, Ba16b>
  func.return
}

func.func @scatter(%x: !layout.tensor<N x 4 x f32>, %one: !layout.tensor<1 x f32>, %i: !layout.tensor<N x 2 x i64>, %u: !layout.tensor<N x 2 x f32>, %p: !layout.tensor<3 x 1 x i64>, %v: !layout.tensor<3 x 4 x f32>, %b: !layout.tensor<N x 3 x 1 x i64>) {
  %0 = kernel.scatter_elements(%x, %i, %u) axis 1 : !layout.tensor<N x 4 x f32>
  %1 = kernel.scatter_elements max(%one, %i, %u) axis 1 : !layout.tensor<N x 4 x f32>
  %2 = kernel.scatter_nd add(%x, %p, %v) : !layout.tensor<N x 4 x f32>
  %3 = kernel.scatter_nd max(%x, %p, %v) unsigned [0] : !layout.tensor<N x 4 x f32>
  %4 = kernel.gather_nd(%x, %b) batch_dims 1 : !layout.tensor<N x 3 x f32>
  func.return
}

func.func @sampling(%x: !layout.tensor<N x 3 x H x W x f32>, %g: !layout.tensor<N x 4 x 5 x 2 x f32>, %r: !layout.tensor<R x 4 x f32>, %i: !layout.tensor<R x i64>, %f: !layout.tensor<9 x i64>, %w: !layout.tensor<9 x 4 x f32>) {
  %0 = kernel.grid_sample(%x, %g) : !layout.tensor<N x 3 x 4 x 5 x f32>
  %1 = kernel.grid_sample cubic(%x, %g) padding border coordinates centers : !layout.tensor<N x 3 x 4 x 5 x f32>
  %2 = kernel.roi_align max(%x, %r, %i) size [2, 6] spatial_scale 0.5 half_pixel : !layout.tensor<R x 3 x 2 x 6 x f32>
  %3 = kernel.weigh(%x, %f, %w) axis 2 : !layout.tensor<N x 3 x 9 x W x f32>
  func.return
}

func.func @resize(%x: !layout.tensor<N x 4 x H x W x f32>) {
  %0 = kernel.resize linear(%x) coordinates align_corners rounding floor scales [0.0, 0.0, 2.0, -1.5e-07] : !layout.tensor<N x 4 x (2 * H) x (2 * W) x f32>
  %1 = kernel.resize(%x) common_scale [2 * H, H] : !layout.tensor<N x 4 x (2 * H) x (2 * W) x f32>
  func.return
}

func.func @recurrence(%x: !layout.tensor<T x N x 32 x f32>, %r: !layout.tensor<1 x 8 x 4 x 8 x f32>, %h: !layout.tensor<1 x N x 8 x f32>, %p: !layout.tensor<1 x 24 x f32>, %n: !layout.tensor<N x i32>) {
  %0, %1, %2 = kernel.recurrence lstm(%x, %r, %h, %h, %p, %n) direction reverse clip 0.5 input_forget peepholes lengths : !layout.tensor<T x 1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>
  %3 = kernel.reverse_sequence(%x, %n) time_axis 0 batch_axis 1 : !layout.tensor<T x N x 32 x f32>
  func.return
}

func.func @both_ways(%x: !layout.tensor<T x N x 48 x f32>, %r: !layout.tensor<2 x 8 x 3 x 8 x f32>, %h: !layout.tensor<2 x N x 8 x f32>, %b: !layout.tensor<2 x 8 x f32>) {
  %0, %1 = kernel.recurrence gru(%x, %r, %h, %b) direction bidirectional activations sigmoid_elu alphas [0.0, 0.5] betas [0.0, 0.0] linear_before_reset : !layout.tensor<T x 2 x N x 8 x f32>, !layout.tensor<2 x N x 8 x f32>
  func.return
}

func.func @narrow(%a: !layout.tensor<4 x 6 x i8>, %b: !layout.tensor<6 x 5 x i8>) {
  %0 = kernel.gemm(%a, %b) unsigned [0] : !layout.tensor<4 x 5 x i32>
  %1 = kernel.gemm(%a, %b) unsigned [0, 1] : !layout.tensor<4 x 5 x i8> epilogue(%acc: i32) {%r = arith.trunci %acc : i32 to i8}
  func.return
}

func.func @epilogues(%h: !layout.tensor<4 x 4 x f16>, %x: !layout.tensor<4 x 4 x f32>) {
  %0 = kernel.gemm(%h, %h) : !layout.tensor<4 x 4 x f16> epilogue(%acc: f32) {%r = arith.truncf %acc : f32 to f16}
  %1 = kernel.softmax(%x) : !layout.tensor<4 x 4 x f32> epilogue(%acc, %s = %x, %t = %x) {%r = arith.addf %s, %t : f32 kernel.yield %s}
  %2 = kernel.map(%x, %x) : !layout.tensor<4 x 4 x f32> each(%a, %b) {
    %acc = arith.addf %a, %b : f32,
    %1 = arith.negf %acc : f32
    %2 = arith.mulf %1, %acc : f32
    %3 = arith.subf %2, %a : f32
  }
  func.return
}

func.func @few_bits(%x: !layout.tensor<N x 64 x f32>, %b: !layout.tensor<10 x 8 x i32, Ba16b>, %c: !layout.tensor<24 x 8 x i32>) {
  %0 = kernel.block_gemm(%x, %b) : !layout.tensor<N x 8 x f32>
  %1 = kernel.block_gemm(%x, %c) bits 8 block 16 zeros int8 : !layout.tensor<N x 8 x f32> epilogue(%acc) {%r = arith.negf %acc : f32}
  func.return
}

func.func @selections(%x: !layout.tensor<N x 100 x i32>) {
  %0, %1 = kernel.top_k(%x) smallest unsigned : !layout.tensor<N x 7 x i32>, !layout.tensor<N x 7 x i64>
  %2 = kernel.count_nonzero(%x) : !layout.tensor<1 x i64>
  %3 = kernel.nonzero(%x) : !layout.tensor<2 x found x i64>
  func.return
}

func.func @boxes(%b: !layout.tensor<1 x N x 4 x f32>, %s: !layout.tensor<1 x 80 x N x f32>, %m: !layout.tensor<1 x i64>, %t: !layout.tensor<1 x f32>) {
  %0, %1 = kernel.suppress_boxes(%b, %s, %m, %t, %t) center_point_box : !layout.tensor<1 x 80 x N x i64>, !layout.tensor<1 x 80 x i64>
  %2 = kernel.list_boxes(%0, %1) : !layout.tensor<rows x 3 x i64>
  func.return
}

func.func @distinct(%x: !layout.tensor<N x 3 x i32>) {
  %0, %1, %2, %3 = kernel.find_distinct(%x) unsorted unsigned : !layout.tensor<N x i64>, !layout.tensor<N x i64>, !layout.tensor<N x i64>, !layout.tensor<1 x i64>
  func.return
}

// CHECK:      func.func @contractions(%x: !layout.tensor<N x 8 x 6 x 6 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>, %b: !layout.tensor<4 x f32>, %s: !layout.tensor<N x 4 x 3 x 3 x f32>, %m: !layout.tensor<2 x 6 x 5 x f32>, %k: !layout.tensor<7 x 6 x f32>) {
// CHECK-NEXT:   %0 = kernel.conv direct(%x, %w, %b) strides [2, 2] pads [1, 1, 1, 1] groups 2 : !layout.tensor<N x 4 x 3 x 3 x f32> epilogue(%e, %f = %s) {%sum = arith.addf %e, %f : f32}
// CHECK-NEXT:   %1 = kernel.gemm(%m, %k) transpose_a transpose_b : !layout.tensor<2 x 5 x 7 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @attention(%q: !layout.tensor<N x 6 x S x 8 x f32>, %k: !layout.tensor<N x 2 x T x 8 x f32>, %v: !layout.tensor<N x 2 x T x 4 x f32>, %m: !layout.tensor<S x T x f32>) {
// CHECK-NEXT:   %0 = kernel.attention(%q, %k, %v) zero_empty : !layout.tensor<N x 6 x S x 4 x f32> scores(%e, %f = %m) {%sum = arith.addf %e, %f : f32}
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @elementwise(%x: !layout.tensor<N x 4 x f32>, %y: !layout.tensor<4 x f32>) {
// CHECK-NEXT:   %0 = kernel.map(%x, %y) : !layout.tensor<N x 4 x i1> each(%e, %f) {%less = arith.cmpf olt, %e, %f : f32}
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @bytes(%x: !layout.tensor<N x 4 x 6 x 6 x i8>) {
// CHECK-NEXT:   %0 = kernel.reduce sum(%x) axes [2, 3] unsigned [0] : !layout.tensor<N x 4 x 1 x 1 x i32>
// CHECK-NEXT:   %1 = kernel.pool max(%x) window [3, 3] unsigned [0] : !layout.tensor<N x 4 x 4 x 4 x i8>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @reductions(%x: !layout.tensor<N x 4 x 6 x 6 x f32>, %scale: !layout.tensor<6 x f32>, %bias: !layout.tensor<6 x f32>) {
// CHECK-NEXT:   %0 = kernel.reduce mean(%x) axes [2, 3] : !layout.tensor<N x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %1 = kernel.arg_reduce max(%x) axis 1 last : !layout.tensor<N x 1 x 6 x 6 x i64>
// CHECK-NEXT:   %2 = kernel.softmax(%x) : !layout.tensor<N x 4 x 6 x 6 x f32>
// CHECK-NEXT:   %3 = kernel.layer_norm(%x, %scale, %bias) axis 3 epsilon 1.0e-05 : !layout.tensor<N x 4 x 6 x 6 x f32>
// CHECK-NEXT:   %4 = kernel.pool average(%x) window [3, 3] strides [2, 2] pads [1, 1, 1, 1] count_include_pad : !layout.tensor<N x 4 x 3 x 3 x f32>
// CHECK-NEXT:   %5 = kernel.cumulative_sum(%x) axis 2 exclusive reverse : !layout.tensor<N x 4 x 6 x 6 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @movement(%x: !layout.tensor<N x 4 x f32>, %i: !layout.tensor<3 x i64>, %j: !layout.tensor<N x 2 x i64>, %s: !layout.tensor<i64>) {
// CHECK-NEXT:   %0 = kernel.pad(%x) lower [0, 1] upper [N, 2] value "-inf" : !layout.tensor<(2 * N) x 7 x f32>
// CHECK-NEXT:   %1 = kernel.pad reflect(%x) lower [0, 1] upper [0, 2] : !layout.tensor<N x 7 x f32>
// CHECK-NEXT:   %2 = kernel.concat(%x, %x) axis 1 : !layout.tensor<N x 8 x f32>
// CHECK-NEXT:   %3 = kernel.slice(%x) starts [N - 1, 0] steps [-1, 2] : !layout.tensor<N x 2 x f32>
// CHECK-NEXT:   %4 = kernel.broadcast(%x) : !layout.tensor<5 x N x 4 x f32>
// CHECK-NEXT:   %5 = kernel.gather(%x, %i) axis 0 : !layout.tensor<3 x 4 x f32>
// CHECK-NEXT:   %6 = kernel.gather_elements(%x, %j) axis 1 : !layout.tensor<N x 2 x f32>
// CHECK-NEXT:   %7 = kernel.dim_values() values [N, 2 * N + 1] : !layout.tensor<2 x i64>
// CHECK-NEXT:   %8 = kernel.range(%s, %s) : !layout.tensor<N x i64>
// CHECK-NEXT:   %9 = kernel.constant @weight : !layout.tensor<4 x 4 x f32, Ba16b>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @scatter(%x: !layout.tensor<N x 4 x f32>, %one: !layout.tensor<1 x f32>, %i: !layout.tensor<N x 2 x i64>, %u: !layout.tensor<N x 2 x f32>, %p: !layout.tensor<3 x 1 x i64>, %v: !layout.tensor<3 x 4 x f32>, %b: !layout.tensor<N x 3 x 1 x i64>) {
// CHECK-NEXT:   %0 = kernel.scatter_elements(%x, %i, %u) axis 1 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   %1 = kernel.scatter_elements max(%one, %i, %u) axis 1 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   %2 = kernel.scatter_nd add(%x, %p, %v) : !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   %3 = kernel.scatter_nd max(%x, %p, %v) unsigned [0] : !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   %4 = kernel.gather_nd(%x, %b) batch_dims 1 : !layout.tensor<N x 3 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @sampling(%x: !layout.tensor<N x 3 x H x W x f32>, %g: !layout.tensor<N x 4 x 5 x 2 x f32>, %r: !layout.tensor<R x 4 x f32>, %i: !layout.tensor<R x i64>, %f: !layout.tensor<9 x i64>, %w: !layout.tensor<9 x 4 x f32>) {
// CHECK-NEXT:   %0 = kernel.grid_sample(%x, %g) : !layout.tensor<N x 3 x 4 x 5 x f32>
// CHECK-NEXT:   %1 = kernel.grid_sample cubic(%x, %g) padding border coordinates centers : !layout.tensor<N x 3 x 4 x 5 x f32>
// CHECK-NEXT:   %2 = kernel.roi_align max(%x, %r, %i) size [2, 6] spatial_scale 0.5 half_pixel : !layout.tensor<R x 3 x 2 x 6 x f32>
// CHECK-NEXT:   %3 = kernel.weigh(%x, %f, %w) axis 2 : !layout.tensor<N x 3 x 9 x W x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @resize(%x: !layout.tensor<N x 4 x H x W x f32>) {
// CHECK-NEXT:   %0 = kernel.resize linear(%x) coordinates align_corners rounding floor scales [0.0, 0.0, 2.0, -1.5e-07] : !layout.tensor<N x 4 x (2 * H) x (2 * W) x f32>
// CHECK-NEXT:   %1 = kernel.resize(%x) common_scale [2 * H, H] : !layout.tensor<N x 4 x (2 * H) x (2 * W) x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @recurrence(%x: !layout.tensor<T x N x 32 x f32>, %r: !layout.tensor<1 x 8 x 4 x 8 x f32>, %h: !layout.tensor<1 x N x 8 x f32>, %p: !layout.tensor<1 x 24 x f32>, %n: !layout.tensor<N x i32>) {
// CHECK-NEXT:   %0, %1, %2 = kernel.recurrence lstm(%x, %r, %h, %h, %p, %n) direction reverse clip 0.5 input_forget peepholes lengths : !layout.tensor<T x 1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>, !layout.tensor<1 x N x 8 x f32>
// CHECK-NEXT:   %3 = kernel.reverse_sequence(%x, %n) time_axis 0 batch_axis 1 : !layout.tensor<T x N x 32 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @both_ways(%x: !layout.tensor<T x N x 48 x f32>, %r: !layout.tensor<2 x 8 x 3 x 8 x f32>, %h: !layout.tensor<2 x N x 8 x f32>, %b: !layout.tensor<2 x 8 x f32>) {
// CHECK-NEXT:   %0, %1 = kernel.recurrence gru(%x, %r, %h, %b) direction bidirectional activations sigmoid_elu alphas [0.0, 0.5] betas [0.0, 0.0] linear_before_reset : !layout.tensor<T x 2 x N x 8 x f32>, !layout.tensor<2 x N x 8 x f32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @narrow(%a: !layout.tensor<4 x 6 x i8>, %b: !layout.tensor<6 x 5 x i8>) {
// CHECK-NEXT:   %0 = kernel.gemm(%a, %b) unsigned [0] : !layout.tensor<4 x 5 x i32>
// CHECK-NEXT:   %1 = kernel.gemm(%a, %b) unsigned [0, 1] : !layout.tensor<4 x 5 x i8> epilogue(%acc: i32) {%r = arith.trunci %acc : i32 to i8}
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @epilogues(%h: !layout.tensor<4 x 4 x f16>, %x: !layout.tensor<4 x 4 x f32>) {
// CHECK-NEXT:   %0 = kernel.gemm(%h, %h) : !layout.tensor<4 x 4 x f16> epilogue(%acc: f32) {%r = arith.truncf %acc : f32 to f16}
// CHECK-NEXT:   %1 = kernel.softmax(%x) : !layout.tensor<4 x 4 x f32> epilogue(%acc, %s = %x, %t = %x) {%r = arith.addf %s, %t : f32, kernel.yield %s}
// CHECK-NEXT:   %2 = kernel.map(%x, %x) : !layout.tensor<4 x 4 x f32> each(%a, %b) {
// CHECK-NEXT:     %acc = arith.addf %a, %b : f32
// CHECK-NEXT:     %3 = arith.negf %acc : f32
// CHECK-NEXT:     %4 = arith.mulf %3, %acc : f32
// CHECK-NEXT:     %5 = arith.subf %4, %a : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @few_bits(%x: !layout.tensor<N x 64 x f32>, %b: !layout.tensor<10 x 8 x i32, Ba16b>, %c: !layout.tensor<24 x 8 x i32>) {
// CHECK-NEXT:   %0 = kernel.block_gemm(%x, %b) : !layout.tensor<N x 8 x f32>
// CHECK-NEXT:   %1 = kernel.block_gemm(%x, %c) bits 8 block 16 zeros int8 : !layout.tensor<N x 8 x f32> epilogue(%acc) {%r = arith.negf %acc : f32}
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @selections(%x: !layout.tensor<N x 100 x i32>) {
// CHECK-NEXT:   %0, %1 = kernel.top_k(%x) smallest unsigned : !layout.tensor<N x 7 x i32>, !layout.tensor<N x 7 x i64>
// CHECK-NEXT:   %2 = kernel.count_nonzero(%x) : !layout.tensor<1 x i64>
// CHECK-NEXT:   %3 = kernel.nonzero(%x) : !layout.tensor<2 x found x i64>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @boxes(%b: !layout.tensor<1 x N x 4 x f32>, %s: !layout.tensor<1 x 80 x N x f32>, %m: !layout.tensor<1 x i64>, %t: !layout.tensor<1 x f32>) {
// CHECK-NEXT:   %0, %1 = kernel.suppress_boxes(%b, %s, %m, %t, %t) center_point_box : !layout.tensor<1 x 80 x N x i64>, !layout.tensor<1 x 80 x i64>
// CHECK-NEXT:   %2 = kernel.list_boxes(%0, %1) : !layout.tensor<rows x 3 x i64>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @distinct(%x: !layout.tensor<N x 3 x i32>) {
// CHECK-NEXT:   %0, %1, %2, %3 = kernel.find_distinct(%x) unsorted unsigned : !layout.tensor<N x i64>, !layout.tensor<N x i64>, !layout.tensor<N x i64>, !layout.tensor<1 x i64>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
