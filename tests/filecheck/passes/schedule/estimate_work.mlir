// RUN: lamina-opt %s --machine avx512 -p schedule-estimate-work | filecheck %s

// A copy takes the time to begin, and that of its bytes.
// CHECK: func.func @fixed({{.*}}) attributes {lamina.work = #graph.dim<520>} {
func.func @fixed(%x: !layout.tensor<1000 x f32>) {
  %0 = schedule.buffer output 0 : !layout.tensor<1000 x f32>
  schedule.stage @a %0 = layout.convert %x
  func.return
}

// CHECK: func.func @free({{.*}}) attributes {lamina.work = #graph.dim<320 * N + 200>} {
func.func @free(%x: !layout.tensor<N x 1000 x f32>) {
  %0 = schedule.buffer output 0 : !layout.tensor<N x 1000 x f32>
  schedule.stage @a %0 = layout.convert %x
  func.return
}

// 16 lanes in 2 units at 3.6 GHz make 115 multiply-adds a nanosecond.
// CHECK: func.func @product({{.*}}) attributes {lamina.work = #graph.dim<29{{[0-9]+}}>} {
func.func @product(%x: !layout.tensor<128 x 384 x f32>, %w: !layout.tensor<384 x 512 x f32>) {
  %0 = schedule.buffer output 0 : !layout.tensor<128 x 512 x f32>
  schedule.stage @a %0 = kernel.gemm(%x, %w)
  func.return
}

// Four copies of two images are as many bytes, and begin four times.
// CHECK: func.func @batches({{.*}}) attributes {lamina.work = #graph.dim<1120>} {
func.func @batches(%x: !layout.tensor<8 x 125 x f32>) {
  %0 = schedule.buffer output 0 : !layout.tensor<8 x 125 x f32>
  schedule.batches @steps reads(%x1 = %x) writes(%y1 = %0) 2 of 8 {
    schedule.stage @a %y1 = layout.convert %x1
  }
  func.return
}

// Of a function without stages nothing is said.
// CHECK: func.func @empty(%{{.*}}) {
func.func @empty(%x: !layout.tensor<8 x f32>) {
  func.return
}
