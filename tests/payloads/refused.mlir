#loc1 = loc("x")
module @refused {
  func.func public @main(%arg0: tensor<4xf32> loc("x")) -> tensor<4xf32> {
    %0 = stablehlo.custom_call @nobody.knows(%arg0) : (tensor<4xf32>) -> tensor<4xf32> loc(#loc4)
    %1 = stablehlo.custom_call @nor.this(%0) : (tensor<4xf32>) -> tensor<4xf32> loc(#loc6)
    return %1 : tensor<4xf32> loc(#loc)
  } loc(#loc)
} loc(#loc)
#loc = loc(unknown)
#loc2 = loc("model.py":12:4 to :30)
#loc3 = loc("model.py":15:4 to :30)
#loc4 = loc("jit(f)/first"(#loc2))
#loc5 = loc("layer"(#loc3))
#loc6 = loc("jit(f)/second"(#loc5))
