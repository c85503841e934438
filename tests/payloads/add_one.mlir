module @add_one {
  func.func public @main(%arg0: tensor<3x4xf32>) -> tensor<3x4xf32> {
    %cst = stablehlo.constant dense<1.000000e+00> : tensor<3x4xf32>
    %0 = stablehlo.add %arg0, %cst : tensor<3x4xf32>
    return %0 : tensor<3x4xf32>
  }
}
