// RUN: lamina-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @kind() {
  %0 = schedule.buffer heap : !layout.tensor<4 x f32>
  func.return
}

// CHECK: C1: kind 'heap' is none of arena, output, constant

// -----

func.func @no_name() {
  %0 = "schedule.buffer"() <{kind = "constant"}> : () -> !layout.tensor<4 x f32>
  func.return
}

// CHECK: C2: a buffer of kind constant lacks its index or name

// -----

func.func @placed_for_no_time() {
  %0 = schedule.buffer arena offset 64 : !layout.tensor<4 x f32>
  func.return
}

// CHECK: C4: a live range has a first and a last stage, and an offset needs one

// -----

func.func @lives_forever() {
  %0 = schedule.buffer constant @w lives 0 to 1 : !layout.tensor<4 x f32>
  func.return
}

// CHECK: C3: a buffer of kind constant has a live range or offset, which arena buffers have

// -----

func.func @inputs(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  "schedule.stage"(%x, %y) <{stage_name = "softmax0", plan = {}, operandSegmentSizes = array<i32: 1, 1>}> ({
    %0 = kernel.dim_values() values [1, 2, 3, 4] : !layout.tensor<4 x f32>
    schedule.yield %0 : !layout.tensor<4 x f32>
  }) : (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) -> ()
  func.return
}

// CHECK: C1: the region's arguments differ from the stage's inputs in number or type

// -----

func.func @unread(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  "schedule.stage"(%x, %x, %y) <{stage_name = "softmax0", plan = {}, operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%a: !layout.tensor<4 x f32>, %b: !layout.tensor<4 x f32>):
    %0 = kernel.softmax(%a) : !layout.tensor<4 x f32>
    schedule.yield %0 : !layout.tensor<4 x f32>
  }) : (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>, !layout.tensor<4 x f32>) -> ()
  func.return
}

// CHECK: C1: the stage's inputs are not the kernel's operands, each once, in order

// -----

func.func @outputs(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  "schedule.stage"(%x, %y) <{stage_name = "softmax0", plan = {}, operandSegmentSizes = array<i32: 1, 1>}> ({
  ^bb0(%a: !layout.tensor<4 x f32>):
    %0 = kernel.reduce sum(%a) axes [0] : !layout.tensor<1 x f32>
    schedule.yield %0 : !layout.tensor<1 x f32>
  }) : (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) -> ()
  func.return
}

// CHECK: C2: the body must yield the types of the output buffers

// -----

func.func @kernels(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  "schedule.stage"(%x, %y) <{stage_name = "softmax0", plan = {}, operandSegmentSizes = array<i32: 1, 1>}> ({
  ^bb0(%a: !layout.tensor<4 x f32>):
    %0 = kernel.softmax(%a) : !layout.tensor<4 x f32>
    %1 = kernel.softmax(%0) : !layout.tensor<4 x f32>
    schedule.yield %1 : !layout.tensor<4 x f32>
  }) : (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) -> ()
  func.return
}

// CHECK: C3: the body holds 2 kernels, expected 1

// -----

func.func @unknown_decision(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 %y = kernel.softmax(%x) plan {rws 4}
  func.return
}

// CHECK: kernel.softmax has no axis or decision 'rws'

// -----

func.func @number(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 %y = kernel.softmax(%x) plan {lanes 0}
  func.return
}

// CHECK: lanes 0, expected 1 to 64

// -----

func.func @word(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 %y = kernel.softmax(%x) plan {lanes many}
  func.return
}

// CHECK: lanes many, expected 1 to 64

// -----

func.func @decided_twice(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 %y = kernel.softmax(%x) plan {lanes 4, lanes 8}
  func.return
}

// CHECK: 'lanes' is decided twice

// -----

func.func @no_kernel(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 %y = func.call @softmax(%x)
  func.return
}

// CHECK: a stage runs a kernel or layout.convert, not func.call

// -----

func.func @word_in_a_stage(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<4 x f32>) {
  schedule.stage @softmax0 %y = kernel.softmax(%x) axis 0 plan {lanes 4}
  func.return
}

// CHECK: 'axis' is no part of a stage of kernel.softmax

// -----

func.func @shapes(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<5 x f32>) {
  schedule.stage @softmax0 %y = kernel.softmax(%x)
  func.return
}

// CHECK: C3: the result has shape [5], expected [4]

// -----

func.func @packed(%x: !layout.tensor<8 x 8 x f32>, %w: !layout.tensor<8 x 32 x f32, Ba16b>, %y: !layout.tensor<8 x 32 x f32>) {
  schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {m tile 4, n tile 32}
  func.return
}

// CHECK: C5: n tile 32, and the weights are packed for n tile 16

// -----

func.func @read_in_place(%x: !layout.tensor<1 x 4 x 8 x 8 x f32>, %w: !layout.tensor<4 x 4 x 3 x 3 x f32>, %y: !layout.tensor<1 x 4 x 3 x 3 x f32>) {
  schedule.stage @conv0 %y = kernel.conv im2col(%x, %w) strides [2, 2] plan {oc tile 4, p tile 16 lanes 8, pack false}
  func.return
}

// CHECK: C5: pack false needs row-major x and a stride of 1 along rows

// -----

func.func @not_in_words(%x: !layout.tensor<1 x 4 x 8 x 8 x i8>, %w: !layout.tensor<4 x 4 x 3 x 3 x i8>, %y: !layout.tensor<1 x 4 x 6 x 6 x i32>) {
  schedule.stage @conv0 %y = kernel.conv im2col(%x, %w) unsigned [0] plan {oc tile 4, p tile 16 lanes 8, atom vpdpbusd}
  func.return
}

// CHECK: C5: atom vpdpbusd takes 4 channels at once: pack true, and as many side by side in w

// -----

func.func @words_in_place(%x: !layout.tensor<1 x 4 x 8 x 8 x i8>, %w: !layout.tensor<4 x 4 x 3 x 3 x i8, AcdB4a4b>, %y: !layout.tensor<1 x 4 x 6 x 6 x i32>) {
  schedule.stage @conv0 %y = kernel.conv im2col(%x, %w) unsigned [0] plan {oc tile 4, p tile 16 lanes 8, pack false, atom vpdpbusd}
  func.return
}

// CHECK: C5: atom vpdpbusd takes 4 channels at once: pack true, and as many side by side in w

// -----

func.func @other_signs(%x: !layout.tensor<1 x 4 x 8 x 8 x i8>, %w: !layout.tensor<4 x 4 x 3 x 3 x i8, AcdB4a4b>, %y: !layout.tensor<1 x 4 x 6 x 6 x i32>) {
  schedule.stage @conv0 %y = kernel.conv im2col(%x, %w) plan {oc tile 4, p tile 16 lanes 8, atom vpdpbusd}
  func.return
}

// CHECK: C5: atom vpdpbusd adds ui8 times i8 to i32, and this is i8 times i8 to i32

// -----

func.func @without_a_table(%x: !layout.tensor<1 x 4 x 8 x 8 x f32, NHWC>, %w: !layout.tensor<16 x 4 x 3 x 3 x f32, Acdb16a>, %y: !layout.tensor<1 x 16 x 8 x 8 x f32, NHWC>) {
  schedule.stage @conv0 %y = kernel.conv indirect(%x, %w) pads [1, 1, 1, 1] plan {p tile 4 block 32, oc lanes 8, table false}
  func.return
}

// CHECK: C5: table false, but pixels read padding that is not in a halo of x

// -----

func.func @two_widths(%x: !layout.tensor<8 x 8 x f32>, %y: !layout.tensor<8 x 32 x f32>, %z: !layout.tensor<8 x 32 x f32>) {
  %w = schedule.buffer constant @w packed : !layout.tensor<8 x 32 x f32>
  schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {m tile 4, n tile 16}
  schedule.stage @gemm1 %z = kernel.gemm(%x, %w) plan {m tile 4, n tile 32}
  func.return
}

// CHECK: C5: n tile 32, and the weights are packed for n tile 16

// -----

func.func @no_width(%x: !layout.tensor<8 x 8 x f32>, %y: !layout.tensor<8 x 32 x f32>) {
  %w = schedule.buffer constant @w packed : !layout.tensor<8 x 32 x f32>
  schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {m tile 4}
  func.return
}

// CHECK: C5: the weights are packed, and the plan does not say 'n tile'

// -----

func.func @no_weights(%w: !layout.tensor<8 x 8 x f32>, %y: !layout.tensor<8 x 32 x f32>) {
  %x = schedule.buffer constant @w packed : !layout.tensor<8 x 32 x f32>
  schedule.stage @softmax0 %y = kernel.softmax(%x)
  func.return
}

// CHECK: C5: packed for a stage that multiplies with it, and none does

// -----

func.func @batch(%x: !layout.tensor<2 x 8 x 8 x f32>, %y: !layout.tensor<2 x 8 x 32 x f32>) {
  %w = schedule.buffer constant @w packed : !layout.tensor<2 x 8 x 32 x f32>
  schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {m tile 4, n tile 16}
  func.return
}

// CHECK: C6: a batch of matrices is not packed

// -----

func.func @plain_result(%x: !layout.tensor<1 x 16 x 8 x 8 x f32>, %y: !layout.tensor<1 x 64 x 8 x 8 x f32>) {
  %w = schedule.buffer constant @w packed : !layout.tensor<64 x 16 x 1 x 1 x f32>
  schedule.stage @conv0 %y = kernel.conv direct(%x, %w) plan {oc blocks 2, ow tile 8}
  func.return
}

// CHECK: C6: y lies in NCHW, expected blocks of channels such as NCHW16c

// -----

func.func @too_wide(%x: !layout.tensor<1 x 16 x 8 x 8 x f32, NCHW16c>, %y: !layout.tensor<1 x 64 x 8 x 8 x f32, NCHW16c>) {
  %w = schedule.buffer constant @w packed : !layout.tensor<64 x 16 x 1 x 1 x f32>
  schedule.stage @conv0 %y = kernel.conv direct(%x, %w) plan {oc blocks 3, ow tile 8}
  func.return
}

// CHECK: C6: w is packed in blocks of 48 output channels, which do not divide the 64 of y in 16s

// -----

func.func @wide_tiles(%x: !layout.tensor<1 x 64 x 8 x 8 x i8, NCHW16c>, %w: !layout.tensor<64 x 64 x 1 x 1 x i8, AcdB64a4b>, %y: !layout.tensor<1 x 64 x 8 x 8 x i32, NCHW16c>) {
  schedule.stage @conv0 %y = kernel.conv direct(%x, %w) unsigned [0] plan {ow tile 4, strip 64, atom tdpbusd}
  func.return
}

// CHECK: C5: atom tdpbusd takes 16 or 32 output channels, not 64

// -----

func.func @tiles_without_strips(%x: !layout.tensor<1 x 64 x 8 x 8 x i8, NCHW16c>, %w: !layout.tensor<32 x 64 x 1 x 1 x i8, AcdB32a4b>, %y: !layout.tensor<1 x 32 x 8 x 8 x i32, NCHW16c>) {
  schedule.stage @conv0 %y = kernel.conv direct(%x, %w) unsigned [0] plan {ow tile 4, atom tdpbusd}
  func.return
}

// CHECK: C5: atom tdpbusd takes strips of an image of known size: of 1 pixel or more, not 0

// -----

func.func @few_words(%x: !layout.tensor<1 x 32 x 8 x 8 x i8, NCHW16c>, %w: !layout.tensor<32 x 32 x 1 x 1 x i8, AcdB32a4b>, %y: !layout.tensor<1 x 32 x 8 x 8 x i32, NCHW16c>) {
  schedule.stage @conv0 %y = kernel.conv direct(%x, %w) unsigned [0] plan {ow tile 4, strip 64, atom tdpbusd}
  func.return
}

// CHECK: C5: atom tdpbusd takes 16 words at once, and a window has 8

// -----

func.func @panels_without_tiles(%x: !layout.tensor<1 x 64 x 8 x 8 x i8, NCHW16c>, %w: !layout.tensor<32 x 64 x 1 x 1 x i8, AcdB32a4b>, %y: !layout.tensor<1 x 32 x 8 x 8 x i32, NCHW16c>) {
  schedule.stage @conv0 %y = kernel.conv direct(%x, %w) unsigned [0] plan {oc chunks 2, ow tile 4, atom vpdpbusd}
  func.return
}

// CHECK: C5: oc chunks 2 needs an atom of tiles

// -----

func.func @tiles_by_a_table(%x: !layout.tensor<1 x 64 x 8 x 8 x i8, NHWC>, %w: !layout.tensor<32 x 64 x 1 x 1 x i8, AcdB32a4b>, %y: !layout.tensor<1 x 32 x 8 x 8 x i32, NHWC>) {
  schedule.stage @conv0 %y = kernel.conv indirect(%x, %w) unsigned [0] plan {p block 64 tile 4, oc lanes 16, atom tdpbusd}
  func.return
}

// CHECK: C5: atom tdpbusd says the order, and finds what lies under windows by strides: no table

// -----

func.func @rows_of_no_image(%x: !layout.tensor<1 x 32 x 8 x f32>, %y: !layout.tensor<1 x 32 x 4 x f32>) {
  schedule.stage @pool0 %y = kernel.pool max(%x) window [2] strides [2] plan {lanes 16, share rows}
  func.return
}

// CHECK: C5: share rows needs a result of images: batch by channels by rows by columns
