module @tokens {
  func.func public @main(%arg0: !stablehlo.token, %arg1: tensor<f32>) -> (!stablehlo.token, tensor<f32>) {
    %cst = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %cst_0 = stablehlo.constant dense<9.000000e+00> : tensor<f32>
    %0 = stablehlo.after_all %arg0 : !stablehlo.token
    %1:2 = stablehlo.while(%iterArg = %0, %iterArg_1 = %arg1) : !stablehlo.token, tensor<f32>
    cond {
      %2 = stablehlo.compare LT, %iterArg_1, %cst_0 : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %2 : tensor<i1>
    } do {
      %2 = stablehlo.add %iterArg_1, %cst : tensor<f32>
      %3 = stablehlo.after_all %iterArg, %iterArg : !stablehlo.token
      stablehlo.return %3, %2 : !stablehlo.token, tensor<f32>
    }
    return %1#0, %1#1 : !stablehlo.token, tensor<f32>
  }
}
