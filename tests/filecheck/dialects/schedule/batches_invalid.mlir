// RUN: lamina-opt %s --split-input-file --parsing-diagnostics --verify-diagnostics | filecheck %s

func.func @all_at_once(%x: !layout.tensor<4 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) 4 of 4 {
    schedule.stage @s %c = kernel.softmax(%a)
  }
  func.return
}

// CHECK: C1: 4 of 4 images: expected 1 or more, and less than all

// -----

func.func @no_images(%x: !layout.tensor<4 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) 0 of 4 {
    schedule.stage @s %c = kernel.softmax(%a)
  }
  func.return
}

// CHECK: C1: 0 of 4 images: expected 1 or more, and less than all

// -----

func.func @a_rest(%x: !layout.tensor<5 x 8 x f32>, %y: !layout.tensor<5 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) 2 of 5 {
    schedule.stage @s %c = kernel.softmax(%a)
  }
  func.return
}

// CHECK: C2: the last step may have less than 2 images: say '2 as n of 5', and n where types inside have their number

// -----

func.func @a_name_taken(%x: !layout.tensor<5 x N x f32>, %y: !layout.tensor<5 x N x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) 2 as N of 5 {
    schedule.stage @s %c = kernel.softmax(%a)
  }
  func.return
}

// CHECK: C2: 'N' is another size's name

// -----

func.func @other_images(%x: !layout.tensor<6 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) of 4 {
    schedule.stage @s %c = kernel.softmax(%a)
  }
  func.return
}

// CHECK: !layout.tensor<6 x 8 x f32> has no 4 images that lie one after another

// -----

func.func @images_side_by_side(%x: !layout.tensor<4 x 8 x f32, ba>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) of 4 {
    schedule.stage @s %c = layout.convert %a
  }
  func.return
}

// CHECK: has no 4 images that lie one after another

// -----

func.func @sizes_of_another_step(%x: !layout.tensor<4 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) 2 of 4 {
    %h = schedule.buffer arena : !layout.tensor<1 x 8 x f32>
    schedule.stage @s %h = kernel.softmax(%a)
    schedule.stage @t %c = kernel.softmax(%h)
  }
  func.return
}

// CHECK: C3: the result has shape [1, 8], expected [2, 8]

// -----

func.func @past_its_part(%x: !layout.tensor<4 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) of 4 {
    schedule.stage @s %y = kernel.softmax(%x)
  }
  func.return
}

// CHECK: C5: %x is outside: the stages inside read parts of it, of their images

// -----

func.func @an_output(%x: !layout.tensor<4 x 8 x f32>, %y: !layout.tensor<4 x 8 x f32>) {
  schedule.batches @b reads(%a = %x) writes(%c = %y) of 4 {
    %h = schedule.buffer output 0 : !layout.tensor<1 x 8 x f32>
    schedule.stage @s %h = kernel.softmax(%a)
  }
  func.return
}

// CHECK: C4: schedule.buffer cannot stand inside of schedule.batches
