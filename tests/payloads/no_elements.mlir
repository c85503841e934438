module @no_elements {
  func.func public @main(%arg0: tensor<0x5xf32>) -> (tensor<0x5xf32>, tensor<5xf32>) {
    %cst = stablehlo.constant dense<1.000000e+00> : tensor<0x5xf32>
    %cst_0 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %0 = stablehlo.add %arg0, %cst : tensor<0x5xf32>
    %1 = stablehlo.reduce(%arg0 init: %cst_0) applies stablehlo.add across dimensions = [0] : (tensor<0x5xf32>, tensor<f32>) -> tensor<5xf32>
    return %0, %1 : tensor<0x5xf32>, tensor<5xf32>
  }
}
