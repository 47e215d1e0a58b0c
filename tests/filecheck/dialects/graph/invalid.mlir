// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @unknown_element(%x: !graph.tensor<4 x index>) {
  func.return
}

// CHECK: C1: 'index' cannot be an element type of graph.tensor

// -----

func.func @bad_dimension(%x: !graph.tensor<N + x f32>) {
  func.return
}

// CHECK: expected a dimension such as 64, N or (H floordiv 2), got 'N +'

// -----

func.func @mixed_elements(%x: !graph.tensor<4 x f32>, %y: !graph.tensor<4 x f64>) {
  %0 = graph.add %x, %y : (!graph.tensor<4 x f32>, !graph.tensor<4 x f64>) -> !graph.tensor<4 x f32>
  func.return
}

// CHECK: C1: operand #1 has elements of f64, operand #0 of f32

// -----

func.func @wrong_kind(%x: !graph.tensor<4 x i64>) {
  %0 = graph.exp %x : !graph.tensor<4 x i64>
  func.return
}

// CHECK: C1: operand #0 must have floating-point elements, got i64

// -----

func.func @no_broadcast(%x: !graph.tensor<4 x f32>, %y: !graph.tensor<3 x f32>) {
  %0 = graph.mul %x, %y : (!graph.tensor<4 x f32>, !graph.tensor<3 x f32>) -> !graph.tensor<4 x f32>
  func.return
}

// CHECK: C2: the operands !graph.tensor<4 x f32>, !graph.tensor<3 x f32> don't broadcast: dimensions 4 and 3, 1 from the end

// -----

func.func @wrong_result(%x: !graph.tensor<4 x f32>) {
  %0 = graph.relu %x : (!graph.tensor<4 x f32>) -> !graph.tensor<5 x f32>
  func.return
}

// CHECK: the result must have type !graph.tensor<4 x f32>, got !graph.tensor<5 x f32>

// -----

func.func @condition(%x: !graph.tensor<4 x f32>) {
  %0 = graph.where %x, %x, %x : !graph.tensor<4 x f32>
  func.return
}

// CHECK: C4: operand #0, the condition, must have elements of i1

// -----

func.func @cast_shape(%x: !graph.tensor<4 x f32>) {
  %0 = graph.cast %x : (!graph.tensor<4 x f32>) -> !graph.tensor<5 x i64>
  func.return
}

// CHECK: C4: the result must have the shape of operand #0

// -----

func.func @conv_rank(%x: !graph.tensor<4 x 4 x f32>, %w: !graph.tensor<4 x 4 x f32>) {
  %0 = graph.conv %x, %w : (!graph.tensor<4 x 4 x f32>, !graph.tensor<4 x 4 x f32>) -> !graph.tensor<4 x 4 x f32>
  func.return
}

// CHECK: C1: x and w must have the same rank, 3 or more

// -----

func.func @conv_strides(%x: !graph.tensor<1 x 4 x 9 x f32>, %w: !graph.tensor<8 x 4 x 3 x f32>) {
  %0 = graph.conv %x, %w strides [1, 1] : (!graph.tensor<1 x 4 x 9 x f32>, !graph.tensor<8 x 4 x 3 x f32>) -> !graph.tensor<1 x 8 x 7 x f32>
  func.return
}

// CHECK: C3: 'strides' must have 1 entries, got [1, 1]

// -----

func.func @conv_channels(%x: !graph.tensor<1 x 4 x 9 x f32>, %w: !graph.tensor<8 x 4 x 3 x f32>) {
  %0 = graph.conv %x, %w group 2 : (!graph.tensor<1 x 4 x 9 x f32>, !graph.tensor<8 x 4 x 3 x f32>) -> !graph.tensor<1 x 8 x 7 x f32>
  func.return
}

// CHECK: C4: x has 4 channels, w and group 2 ask for 8

// -----

func.func @conv_group(%x: !graph.tensor<1 x 4 x 9 x f32>, %w: !graph.tensor<7 x 2 x 3 x f32>) {
  %0 = graph.conv %x, %w group 2 : (!graph.tensor<1 x 4 x 9 x f32>, !graph.tensor<7 x 2 x 3 x f32>) -> !graph.tensor<1 x 7 x 7 x f32>
  func.return
}

// CHECK: C5: 7 output channels are no multiple of group 2

// -----

func.func @conv_bias(%x: !graph.tensor<1 x 4 x 9 x f32>, %w: !graph.tensor<8 x 4 x 3 x f32>, %b: !graph.tensor<7 x f32>) {
  %0 = graph.conv %x, %w, %b : (!graph.tensor<1 x 4 x 9 x f32>, !graph.tensor<8 x 4 x 3 x f32>, !graph.tensor<7 x f32>) -> !graph.tensor<1 x 8 x 7 x f32>
  func.return
}

// CHECK: C6: bias must have shape [8], got !graph.tensor<7 x f32>

// -----

func.func @matmul_inner(%x: !graph.tensor<4 x 3 x f32>) {
  %0 = graph.matmul %x, %x : !graph.tensor<4 x 3 x f32>
  func.return
}

// CHECK: C3: the inner dimensions 3 of a and 4 of b differ

// -----

func.func @matmul_batch(%x: !graph.tensor<2 x 4 x 4 x f32>, %y: !graph.tensor<3 x 4 x 4 x f32>) {
  %0 = graph.matmul %x, %y : (!graph.tensor<2 x 4 x 4 x f32>, !graph.tensor<3 x 4 x 4 x f32>) -> !graph.tensor<2 x 4 x 4 x f32>
  func.return
}

// CHECK: C4: the batch axes of

// -----

func.func @reduce_kind(%x: !graph.tensor<4 x f32>) {
  %0 = graph.reduce median %x axes [0] : (!graph.tensor<4 x f32>) -> !graph.tensor<f32>
  func.return
}

// CHECK: C1: expected one of sum, mean, max, min, prod, got 'median'

// -----

func.func @reduce_axes(%x: !graph.tensor<4 x f32>) {
  %0 = graph.reduce sum %x axes [1] : (!graph.tensor<4 x f32>) -> !graph.tensor<f32>
  func.return
}

// CHECK: C2: axes must be different ones of 0 ... 0, got [1]

// -----

func.func @missing_field(%x: !graph.tensor<4 x f32>) {
  %0 = graph.softmax %x : !graph.tensor<4 x f32>
  func.return
}

// CHECK: the field 'axis' is missing

// -----

func.func @field_twice(%x: !graph.tensor<4 x f32>) {
  %0 = graph.softmax %x axis 0 axis 0 : !graph.tensor<4 x f32>
  func.return
}

// CHECK: the field 'axis' is given twice

// -----

func.func @norm_scale(%x: !graph.tensor<4 x 8 x f32>, %s: !graph.tensor<4 x f32>) {
  %0 = graph.layer_norm %x, %s axis 1 : (!graph.tensor<4 x 8 x f32>, !graph.tensor<4 x f32>) -> !graph.tensor<4 x 8 x f32>
  func.return
}

// CHECK: C3: scale must have shape [8], got !graph.tensor<4 x f32>

// -----

func.func @pool_kernel(%x: !graph.tensor<1 x 1 x 4 x 4 x f32>) {
  %0 = graph.max_pool %x kernel [2] : !graph.tensor<1 x 1 x 4 x 4 x f32>
  func.return
}

// CHECK: C2: 'kernel' must have 2 entries, got [2]

// -----

func.func @resize_mode(%x: !graph.tensor<1 x 1 x 4 x 4 x f32>) {
  %0 = graph.resize magic %x : !graph.tensor<1 x 1 x 4 x 4 x f32>
  func.return
}

// CHECK: C1: mode must be one of nearest, linear, cubic, got 'magic'

// -----

func.func @reshape_count(%x: !graph.tensor<4 x f32>) {
  %0 = graph.reshape %x : (!graph.tensor<4 x f32>) -> !graph.tensor<5 x f32>
  func.return
}

// CHECK: C2: !graph.tensor<4 x f32> and !graph.tensor<5 x f32> differ in their number of elements

// -----

func.func @permutation(%x: !graph.tensor<4 x 4 x f32>) {
  %0 = graph.transpose %x permutation [0, 0] : !graph.tensor<4 x 4 x f32>
  func.return
}

// CHECK: C1: expected a permutation of 2 axes, got [0, 0]

// -----

func.func @broadcast(%x: !graph.tensor<4 x f32>) {
  %0 = graph.broadcast_to %x : (!graph.tensor<4 x f32>) -> !graph.tensor<4 x 3 x f32>
  func.return
}

// CHECK: C2: !graph.tensor<4 x f32> does not broadcast to !graph.tensor<4 x 3 x f32>

// -----

func.func @slice_step(%x: !graph.tensor<4 x f32>) {
  %0 = graph.slice %x axes [0] starts [0] ends [4] steps [0] : !graph.tensor<4 x f32>
  func.return
}

// CHECK: C2: the step along axis 0 is 0

// -----

func.func @slice_bounds(%x: !graph.tensor<4 x f32>) {
  %0 = graph.slice %x axes [0] starts [0] ends [5] : (!graph.tensor<4 x f32>) -> !graph.tensor<5 x f32>
  func.return
}

// CHECK: C3: 5 lies outside axis 0 of !graph.tensor<4 x f32>

// -----

func.func @concat_dims(%x: !graph.tensor<4 x 2 x f32>, %y: !graph.tensor<4 x 3 x f32>) {
  %0 = graph.concat %x, %y axis 0 : (!graph.tensor<4 x 2 x f32>, !graph.tensor<4 x 3 x f32>) -> !graph.tensor<8 x 2 x f32>
  func.return
}

// CHECK: C3: operand #1 !graph.tensor<4 x 3 x f32> differs from !graph.tensor<4 x 2 x f32> in axis 1

// -----

func.func @pad_count(%x: !graph.tensor<4 x f32>, %s: !graph.tensor<f32>) {
  %0 = graph.pad %x, %s pads [1] : (!graph.tensor<4 x f32>, !graph.tensor<f32>) -> !graph.tensor<5 x f32>
  func.return
}

// CHECK: C2: pads must have 2 entries, got 1

// -----

func.func @gather_indices(%x: !graph.tensor<4 x f32>) {
  %0 = graph.gather %x, %x : !graph.tensor<4 x f32>
  func.return
}

// CHECK: C2: indices must have integer elements, got !graph.tensor<4 x f32>

// -----

func.func @symbolic_constant() {
  %0 = graph.constant @w : !graph.tensor<N x f32>
  func.return
}

// CHECK: C1: a constant must have a known shape, got !graph.tensor<N x f32>

// -----

func.func @dim_values() {
  %0 = graph.dim_values [N, 2] : !graph.tensor<3 x i64>
  func.return
}

// CHECK: C1: the result must be a vector of 2 elements, got !graph.tensor<3 x i64>

// -----

func.func @branch_count(%c: !graph.tensor<i1>, %x: !graph.tensor<4 x f32>) {
  %0 = graph.if %c {
    graph.yield %x : !graph.tensor<4 x f32>
  } else {
    graph.yield
  } : (!graph.tensor<i1>) -> !graph.tensor<4 x f32>
  func.return
}

// CHECK: C2: the else region yields 0 values for 1 results

// -----

func.func @branch_type(%c: !graph.tensor<i1>, %x: !graph.tensor<4 x f32>) {
  %0 = graph.if %c {
    graph.yield %x : !graph.tensor<4 x f32>
  } else {
    graph.yield %c : !graph.tensor<i1>
  } : (!graph.tensor<i1>) -> !graph.tensor<4 x f32>
  func.return
}

// CHECK: C2: the else region yields !graph.tensor<i1> as result #0, expected !graph.tensor<4 x f32>

// -----

func.func @loop_arguments(%n: !graph.tensor<i64>, %c: !graph.tensor<i1>, %x: !graph.tensor<4 x f32>) {
  %0 = graph.loop %n, %c, %x {
  ^bb0(%i: !graph.tensor<i64>, %go: !graph.tensor<i1>):
    graph.yield %go, %x : !graph.tensor<i1>, !graph.tensor<4 x f32>
  } : (!graph.tensor<i64>, !graph.tensor<i1>, !graph.tensor<4 x f32>) -> !graph.tensor<4 x f32>
  func.return
}

// CHECK: C2: the region must take 3 values

// -----

func.func @lstm_gates(%x: !graph.tensor<5 x 1 x 8 x f32>, %w: !graph.tensor<1 x 30 x 8 x f32>, %b: !graph.tensor<1 x 64 x f32>, %h: !graph.tensor<1 x 1 x 8 x f32>) {
  %0, %1, %2 = graph.lstm %x, %w, %w, %b, %h, %h : (!graph.tensor<5 x 1 x 8 x f32>, !graph.tensor<1 x 30 x 8 x f32>, !graph.tensor<1 x 30 x 8 x f32>, !graph.tensor<1 x 64 x f32>, !graph.tensor<1 x 1 x 8 x f32>, !graph.tensor<1 x 1 x 8 x f32>) -> (!graph.tensor<5 x 1 x 1 x 8 x f32>, !graph.tensor<1 x 1 x 8 x f32>, !graph.tensor<1 x 1 x 8 x f32>)
  func.return
}

// CHECK: C3: w has 30 rows, 4 gates of 8 units need 32

// -----

func.func @mixed_floats(%a: !graph.tensor<4 x 8 x f32>, %b: !graph.tensor<8 x 4 x f16>) {
  %0 = graph.matmul %a, %b : (!graph.tensor<4 x 8 x f32>, !graph.tensor<8 x 4 x f16>) -> !graph.tensor<4 x 4 x f32>
  func.return
}

// CHECK: C1: elements of f32 and f16: expected one type, or for each i8 or ui8 or i16

// -----

func.func @narrow_sums(%a: !graph.tensor<4 x 8 x i8>, %b: !graph.tensor<8 x 4 x i8>) {
  %0 = graph.matmul %a, %b : (!graph.tensor<4 x 8 x i8>, !graph.tensor<8 x 4 x i8>) -> !graph.tensor<4 x 4 x i8>
  func.return
}

// CHECK: the result must have type !graph.tensor<4 x 4 x i32>, got !graph.tensor<4 x 4 x i8>

// -----

func.func @narrow_bias(%x: !graph.tensor<1 x 4 x 5 x 5 x i8>, %w: !graph.tensor<6 x 4 x 3 x 3 x i8>, %b: !graph.tensor<6 x i8>) {
  %0 = graph.conv %x, %w, %b : (!graph.tensor<1 x 4 x 5 x 5 x i8>, !graph.tensor<6 x 4 x 3 x 3 x i8>, !graph.tensor<6 x i8>) -> !graph.tensor<1 x 6 x 3 x 3 x i32>
  func.return
}

// CHECK: C2: bias has elements of i8, the sums are of i32

// -----

func.func @zero_of_another_type(%x: !graph.tensor<4 x i8>, %s: !graph.tensor<f32>, %z: !graph.tensor<ui8>) {
  %0 = graph.dequantize %x, %s, %z : (!graph.tensor<4 x i8>, !graph.tensor<f32>, !graph.tensor<ui8>) -> !graph.tensor<4 x f32>
  func.return
}

// CHECK: C2: the zero point has elements of ui8, integers are i8

// -----

func.func @scales_of_another_length(%x: !graph.tensor<4 x f32>, %s: !graph.tensor<3 x f32>) {
  %0 = graph.quantize %x, %s : (!graph.tensor<4 x f32>, !graph.tensor<3 x f32>) -> !graph.tensor<4 x i8>
  func.return
}

// CHECK: C3: the scale !graph.tensor<3 x f32> doesn't broadcast to !graph.tensor<4 x f32>

// -----

func.func @short_table(%x: !graph.tensor<4 x i8>, %table: !graph.tensor<128 x i8>) {
  %0 = graph.byte_table %x, %table : (!graph.tensor<4 x i8>, !graph.tensor<128 x i8>) -> !graph.tensor<4 x i8>
  func.return
}

// CHECK: C2: a table of bytes has 256 elements, got !graph.tensor<128 x i8>

// -----

func.func @table_of_floats(%x: !graph.tensor<4 x f32>, %table: !graph.tensor<256 x i8>) {
  %0 = graph.byte_table %x, %table : (!graph.tensor<4 x f32>, !graph.tensor<256 x i8>) -> !graph.tensor<4 x i8>
  func.return
}

// CHECK: C1: expected elements of 8 bits, got !graph.tensor<4 x f32> and !graph.tensor<256 x i8>

// -----

func.func @bits(%a: !graph.tensor<4 x 40 x f32>, %b: !graph.tensor<8 x 2 x 12 x ui8>, %s: !graph.tensor<8 x 2 x f32>) {
  %0 = graph.block_matmul %a, %b, %s bits 3 : (!graph.tensor<4 x 40 x f32>, !graph.tensor<8 x 2 x 12 x ui8>, !graph.tensor<8 x 2 x f32>) -> !graph.tensor<4 x 8 x f32>
  func.return
}

// CHECK: C1: 3 bits in blocks of 32: expected 2, 4 or 8, in 16, 32, 64 ...

// -----

func.func @blocks(%a: !graph.tensor<4 x 40 x f32>, %b: !graph.tensor<8 x 3 x 16 x ui8>, %s: !graph.tensor<8 x 3 x f32>) {
  %0 = graph.block_matmul %a, %b, %s : (!graph.tensor<4 x 40 x f32>, !graph.tensor<8 x 3 x 16 x ui8>, !graph.tensor<8 x 3 x f32>) -> !graph.tensor<4 x 8 x f32>
  func.return
}

// CHECK: C2: b has 3 blocks, and 40 numbers are summed

// -----

func.func @scales(%a: !graph.tensor<4 x 40 x f32>, %b: !graph.tensor<8 x 2 x 16 x ui8>, %s: !graph.tensor<8 x 3 x f32>) {
  %0 = graph.block_matmul %a, %b, %s : (!graph.tensor<4 x 40 x f32>, !graph.tensor<8 x 2 x 16 x ui8>, !graph.tensor<8 x 3 x f32>) -> !graph.tensor<4 x 8 x f32>
  func.return
}

// CHECK: C3: scales is !graph.tensor<8 x 3 x f32>, expected [8, 2]

// -----

func.func @settings(%x: !graph.tensor<N x f32>) {
  %0 = graph.custom @Median %x settings "3" : !graph.tensor<N x f32>
  func.return
}

// CHECK: C1: settings must be an object in JSON, got '3'

// -----

func.func @results(%x: !graph.tensor<N x f32>) {
  graph.custom @Median %x : (!graph.tensor<N x f32>) -> ()
  func.return
}

// CHECK: C2: an operator needs at least one result
