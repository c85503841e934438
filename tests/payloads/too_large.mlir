module @too_large {
  func.func public @main(%arg0: tensor<f32>) -> tensor<3000000000xf32> {
    %0 = stablehlo.broadcast_in_dim %arg0, dims = [] : (tensor<f32>) -> tensor<3000000000xf32>
    return %0 : tensor<3000000000xf32>
  }
}
