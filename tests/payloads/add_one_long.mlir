module @add_one_long {
  func.func public @main(%arg0: tensor<1048576xf32>) -> tensor<1048576xf32> {
    %cst = stablehlo.constant dense<1.000000e+00> : tensor<1048576xf32>
    %0 = stablehlo.add %arg0, %cst : tensor<1048576xf32>
    return %0 : tensor<1048576xf32>
  }
}
