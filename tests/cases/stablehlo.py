"""One program of each StableHLO operation in jaxlib's dialect, for the page on what the card runs (tests/tools/support.py).

$T is the element type ($F: one of floats and complex numbers), $R that of the parts of a complex number, $U the unsigned integer as wide,
$0 its zero, $B the number of its bits (where they are several). The arguments are those of ARGUMENTS that the text names; what %r holds is
returned. A few operations stand here once for each way to write them that makes a difference, their names followed by what that is.
"""

ARGUMENTS = {
    "x": "tensor<4x$T>",
    "y": "tensor<4x$T>",
    "m": "tensor<4x4x$T>",
    "s": "tensor<$T>",
    "c": "tensor<4xcomplex<$T>>",
    "i": "tensor<i32>",
    "j": "tensor<4xi32>",
    "n": "tensor<2xi32>",
    "p": "tensor<i1>",
    "q": "tensor<4xi1>",
    "w": "tensor<2x$T>",
    "u": "tensor<2xui64>",
    "long": "tensor<140x$T>",
    "image": "tensor<1x4x4x2x$T>",
    "kernel": "tensor<3x3x2x2x$T>",
    "token": "!stablehlo.token",
}
_UNARY = """abs cbrt ceil cosine count_leading_zeros exponential exponential_minus_one floor log log_plus_one logistic negate not popcnt
round_nearest_afz round_nearest_even rsqrt sign sine sqrt tan tanh""".split()
_BINARY = """add and atan2 divide maximum minimum multiply or power remainder shift_left shift_right_arithmetic shift_right_logical
subtract xor""".split()
_FOLD = "^bb0(%a: tensor<$T>, %b: tensor<$T>):\n%f = stablehlo.{} %a, %b : tensor<$T>\nstablehlo.return %f : tensor<$T>"
_ADD, _MAX = _FOLD.format("add"), _FOLD.format("maximum")
_SELECT = """^bb0(%a: tensor<$T>, %b: tensor<$T>):
%f = stablehlo.compare GE, %a, %b : (tensor<$T>, tensor<$T>) -> tensor<i1>
stablehlo.return %f : tensor<i1>"""
_WINDOW = '%r = "stablehlo.reduce_window"(%x, %z) <{window_dimensions = array<i64: 2>}> ({\n' + _MAX + "\n}) : "
_WINDOW += "(tensor<4x$T>, tensor<$T>) -> tensor<3x$T>"
_SCATTERED = '%r = "stablehlo.select_and_scatter"(%x, %w, %s) <{window_dimensions = array<i64: 2>, window_strides = array<i64: 2>}> ({\n'
_SCATTERED += _SELECT + "\n}, {\n" + _ADD + "\n}) : (tensor<4x$T>, tensor<2x$T>, tensor<$T>) -> tensor<4x$T>"
_LARGE_SCATTERED = _SCATTERED.replace("%x, %w", "%long, %w").replace("i64: 2>", "i64: 70>").replace("tensor<4x", "tensor<140x")
_ZERO = "%z = stablehlo.constant dense<$0> : tensor<$T>\n"
_ALONE = "replica_groups = dense<0> : tensor<1x1xi64>"

PROGRAMS = {op: f"%r = stablehlo.{op} %x : tensor<4x$T>" for op in _UNARY}
PROGRAMS |= {op: f"%r = stablehlo.{op} %x, %y : tensor<4x$T>" for op in _BINARY}
PROGRAMS |= {
    "abs": "%r = stablehlo.abs %x : (tensor<4x$T>) -> tensor<4x$R>",
    "after_all": "%r = stablehlo.after_all %token, %token : !stablehlo.token",
    "all_gather": f'%r = "stablehlo.all_gather"(%x) <{{all_gather_dim = 0 : i64, {_ALONE}}}> : (tensor<4x$T>) -> tensor<4x$T>',
    "all_reduce": f'%r = "stablehlo.all_reduce"(%x) <{{{_ALONE}}}> ({{\n{_ADD}\n}}) : (tensor<4x$T>) -> tensor<4x$T>',
    "all_to_all": '%r = "stablehlo.all_to_all"(%x) <{concat_dimension = 0 : i64, split_count = 1 : i64, split_dimension = 0 : i64, '
    f"{_ALONE}}}> : (tensor<4x$T>) -> tensor<4x$T>",
    "batch_norm_grad": '%r:3 = "stablehlo.batch_norm_grad"(%m, %x, %x, %y, %m) <{epsilon = 1.0e-3 : f32, feature_index = 1 : i64}> : '
    "(tensor<4x4x$T>, tensor<4x$T>, tensor<4x$T>, tensor<4x$T>, tensor<4x4x$T>) -> (tensor<4x4x$T>, tensor<4x$T>, tensor<4x$T>)",
    "batch_norm_inference": '%r = "stablehlo.batch_norm_inference"(%m, %x, %y, %x, %y) <{epsilon = 1.0e-3 : f32, feature_index = 1 : i64}> : '
    "(tensor<4x4x$T>, tensor<4x$T>, tensor<4x$T>, tensor<4x$T>, tensor<4x$T>) -> tensor<4x4x$T>",
    "batch_norm_training": '%r:3 = "stablehlo.batch_norm_training"(%m, %x, %y) <{epsilon = 1.0e-3 : f32, feature_index = 1 : i64}> : '
    "(tensor<4x4x$T>, tensor<4x$T>, tensor<4x$T>) -> (tensor<4x4x$T>, tensor<4x$T>, tensor<4x$T>)",
    "bitcast_convert": "%r = stablehlo.bitcast_convert %x : (tensor<4x$T>) -> tensor<4x$U>",
    "bitcast_convert to bits and back": "%a = stablehlo.bitcast_convert %x : (tensor<4x$T>) -> tensor<4x$Bxi1>\n"
    "%r = stablehlo.bitcast_convert %a : (tensor<4x$Bxi1>) -> tensor<4x$T>",
    "broadcast": "%r = stablehlo.broadcast %x, sizes = [2] : (tensor<4x$T>) -> tensor<2x4x$T>",
    "broadcast_in_dim": "%r = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<4x$T>) -> tensor<2x4x$T>",
    "case": '%r = "stablehlo.case"(%i) ({\nstablehlo.return %x : tensor<4x$T>\n}, {\nstablehlo.return %y : tensor<4x$T>\n}) : '
    "(tensor<i32>) -> tensor<4x$T>",
    "cholesky": "%r = stablehlo.cholesky %m, lower = true : tensor<4x4x$T>",
    "clamp": "%r = stablehlo.clamp %s, %x, %s : (tensor<$T>, tensor<4x$T>, tensor<$T>) -> tensor<4x$T>",
    "collective_broadcast": f'%r = "stablehlo.collective_broadcast"(%x) <{{{_ALONE}}}> : (tensor<4x$T>) -> tensor<4x$T>',
    "collective_permute": '%r = "stablehlo.collective_permute"(%x) <{source_target_pairs = dense<0> : tensor<1x2xi64>}> : '
    "(tensor<4x$T>) -> tensor<4x$T>",
    "compare": "%r = stablehlo.compare EQ, %x, %y : (tensor<4x$T>, tensor<4x$T>) -> tensor<4xi1>",
    "complex": "%r = stablehlo.complex %x, %y : tensor<4xcomplex<$T>>",
    "composite": '%r = stablehlo.composite "my.name" %x {decomposition = @part} : (tensor<4x$T>) -> tensor<4x$T>',
    "concatenate": "%r = stablehlo.concatenate %x, %y, dim = 0 : (tensor<4x$T>, tensor<4x$T>) -> tensor<8x$T>",
    "constant": "%r = stablehlo.constant dense<1> : tensor<4xi32>",
    "convert": "%a = stablehlo.convert %x : (tensor<4x$T>) -> tensor<4xf32>\n%r = stablehlo.convert %a : (tensor<4xf32>) -> tensor<4x$T>",
    "convolution": "%r = stablehlo.convolution(%image, %kernel) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], "
    "window = {pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : "
    "(tensor<1x4x4x2x$T>, tensor<3x3x2x2x$T>) -> tensor<1x4x4x2x$T>",
    "create_token": "%r = stablehlo.create_token : !stablehlo.token",
    "cross-replica-sum": f'%r = "stablehlo.cross-replica-sum"(%x) <{{{_ALONE}}}> : (tensor<4x$T>) -> tensor<4x$T>',
    "custom_call @Eig": '%r:2 = stablehlo.custom_call @Eig(%m) {backend_config = "R"} : '
    "(tensor<4x4x$F>) -> (tensor<4xcomplex<$R>>, tensor<4x4xcomplex<$R>>)",
    "custom_call @Hessenberg": "%r:2 = stablehlo.custom_call @Hessenberg(%m) : (tensor<4x4x$F>) -> (tensor<4x4x$F>, tensor<3x$F>)",
    "custom_call @PivotedQr": "%r:3 = stablehlo.custom_call @PivotedQr(%m, %j) : (tensor<4x4x$F>, tensor<4xi32>) -> "
    "(tensor<4x4x$F>, tensor<4xi32>, tensor<4x$F>)",
    "custom_call @Schur": "%r:2 = stablehlo.custom_call @Schur(%m) : (tensor<4x4x$F>) -> (tensor<4x4x$F>, tensor<4x4x$F>)",
    "custom_call @Svd": "%r:3 = stablehlo.custom_call @Svd(%m) : (tensor<4x4x$F>) -> (tensor<4x$R>, tensor<4x4x$F>, tensor<4x4x$F>)",
    "custom_call @Tridiagonal": '%r:4 = stablehlo.custom_call @Tridiagonal(%m) {backend_config = "1"} : '
    "(tensor<4x4x$F>) -> (tensor<4x4x$F>, tensor<4x$R>, tensor<3x$R>, tensor<3x$F>)",
    "custom_call @TridiagonalSolve": '%r = stablehlo.custom_call @TridiagonalSolve(%x, %x, %x, %m) {backend_config = "0"} : '
    "(tensor<4x$F>, tensor<4x$F>, tensor<4x$F>, tensor<4x4x$F>) -> tensor<4x4x$F>",
    "custom_call @Eigh": '%r:2 = stablehlo.custom_call @Eigh(%m) {backend_config = "1"} : (tensor<4x4x$F>) -> (tensor<4x4x$F>, tensor<4x$R>)',
    "custom_call @LuDecomposition": "%r:3 = stablehlo.custom_call @LuDecomposition(%m) : (tensor<4x4x$F>) -> "
    "(tensor<4x4x$F>, tensor<4xi32>, tensor<4xi32>)",
    "custom_call @Qr": "%r:2 = stablehlo.custom_call @Qr(%m) : (tensor<4x4x$F>) -> (tensor<4x4x$F>, tensor<4x$F>)",
    "custom_call @ProductOfElementaryHouseholderReflectors": "%r = stablehlo.custom_call @ProductOfElementaryHouseholderReflectors(%m, %x) : "
    "(tensor<4x4x$F>, tensor<4x$F>) -> tensor<4x4x$F>",
    "custom_call @dce_sink": "stablehlo.custom_call @dce_sink(%x) {has_side_effect = true} : (tensor<4x$T>) -> ()\n"
    "%r = stablehlo.add %x, %x : tensor<4x$T>",
    "custom_call @any.other": "%r = stablehlo.custom_call @any.other(%x) : (tensor<4x$T>) -> tensor<4x$T>",
    "dot": "%r = stablehlo.dot %m, %x : (tensor<4x4x$T>, tensor<4x$T>) -> tensor<4x$T>",
    "dot_general": "%r = stablehlo.dot_general %m, %x, contracting_dims = [1] x [0] : (tensor<4x4x$T>, tensor<4x$T>) -> tensor<4x$T>",
    "dynamic_broadcast_in_dim": "%r = stablehlo.dynamic_broadcast_in_dim %x, %n, dims = [1] : (tensor<4x$T>, tensor<2xi32>) -> tensor<2x4x$T>",
    "dynamic_conv": '%d = stablehlo.constant dense<1> : tensor<2x2xi32>\n%r = "stablehlo.dynamic_conv"(%image, %kernel, %d) <{'
    "dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, batch_group_count = 1 : i64, "
    "feature_group_count = 1 : i64}> : (tensor<1x4x4x2x$T>, tensor<3x3x2x2x$T>, tensor<2x2xi32>) -> tensor<1x4x4x2x$T>",
    "dynamic_gather": '%d = stablehlo.constant dense<[1, 4]> : tensor<2xi32>\n%r = "stablehlo.dynamic_gather"(%m, %n, %d) <{'
    "dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, "
    "indices_are_sorted = false}> : (tensor<4x4x$T>, tensor<2xi32>, tensor<2xi32>) -> tensor<2x4x$T>",
    "dynamic_iota": "%r = stablehlo.dynamic_iota %n, dim = 0 : (tensor<2xi32>) -> tensor<2x4x$T>",
    "dynamic_pad": "%d = stablehlo.constant dense<1> : tensor<1xi32>\n%r = stablehlo.dynamic_pad %x, %s, %d, %d, %d : "
    "(tensor<4x$T>, tensor<$T>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<9x$T>",
    "dynamic_reshape": "%r = stablehlo.dynamic_reshape %x, %n : (tensor<4x$T>, tensor<2xi32>) -> tensor<2x2x$T>",
    "dynamic_slice": "%r = stablehlo.dynamic_slice %x, %i, sizes = [2] : (tensor<4x$T>, tensor<i32>) -> tensor<2x$T>",
    "dynamic_update_slice": "%r = stablehlo.dynamic_update_slice %x, %y, %i : (tensor<4x$T>, tensor<4x$T>, tensor<i32>) -> tensor<4x$T>",
    "einsum": '%r = stablehlo.einsum %m, %m, config = "ab,bc->ac" : (tensor<4x4x$T>, tensor<4x4x$T>) -> tensor<4x4x$T>',
    "fft": "%r = stablehlo.fft %x, type = FFT, length = [4] : (tensor<4x$T>) -> tensor<4x$T>",
    "gather": '%r = "stablehlo.gather"(%m, %n) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], '
    "start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1, 4>}> : "
    "(tensor<4x4x$T>, tensor<2xi32>) -> tensor<2x4x$T>",
    "get_dimension_size": "%r = stablehlo.get_dimension_size %x, dim = 0 : (tensor<4x$T>) -> tensor<i32>",
    "get_tuple_element": "%t = stablehlo.tuple %x, %y : tuple<tensor<4x$T>, tensor<4x$T>>\n"
    "%r = stablehlo.get_tuple_element %t[1] : (tuple<tensor<4x$T>, tensor<4x$T>>) -> tensor<4x$T>",
    "if": '%r = "stablehlo.if"(%p) ({\nstablehlo.return %x : tensor<4x$T>\n}, {\nstablehlo.return %y : tensor<4x$T>\n}) : '
    "(tensor<i1>) -> tensor<4x$T>",
    "imag": "%r = stablehlo.imag %x : (tensor<4x$T>) -> tensor<4x$R>",
    "infeed": '%r:2 = "stablehlo.infeed"(%token) <{infeed_config = ""}> : (!stablehlo.token) -> (tensor<4xf32>, !stablehlo.token)',
    "iota": "%r = stablehlo.iota dim = 0 : tensor<4x$T>",
    "is_finite": "%r = stablehlo.is_finite %x : (tensor<4x$T>) -> tensor<4xi1>",
    "map": '%r = "stablehlo.map"(%x, %y) <{dimensions = array<i64: 0>}> ({\n'
    + _ADD
    + "\n}) : (tensor<4x$T>, tensor<4x$T>) -> tensor<4x$T>",
    "optimization_barrier": "%r = stablehlo.optimization_barrier %x : tensor<4x$T>",
    "outfeed": '%r = "stablehlo.outfeed"(%x, %token) <{outfeed_config = ""}> : (tensor<4x$T>, !stablehlo.token) -> !stablehlo.token',
    "pad": "%r = stablehlo.pad %x, %s, low = [1], high = [0], interior = [1] : (tensor<4x$T>, tensor<$T>) -> tensor<8x$T>",
    "partition_id": "%r = stablehlo.partition_id : tensor<ui32>",
    "real": "%r = stablehlo.real %x : (tensor<4x$T>) -> tensor<4x$R>",
    "real_dynamic_slice": "%d = stablehlo.constant dense<1> : tensor<1xi32>\n%e = stablehlo.constant dense<2> : tensor<1xi32>\n"
    "%r = stablehlo.real_dynamic_slice %x, %d, %e, %d : "
    "(tensor<4x$T>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x$T>",
    "recv": '%r:2 = "stablehlo.recv"(%token) <{channel_handle = #stablehlo.channel_handle<handle = 0, type = 1>}> : '
    "(!stablehlo.token) -> (tensor<4xf32>, !stablehlo.token)",
    "reduce": "%r = stablehlo.reduce(%m init: %s) applies stablehlo.add across dimensions = [1] : (tensor<4x4x$T>, tensor<$T>) -> tensor<4x$T>",
    "reduce_precision": "%r = stablehlo.reduce_precision %x, format = e4m3 : tensor<4x$T>",
    "reduce_scatter": f'%r = "stablehlo.reduce_scatter"(%x) <{{scatter_dimension = 0 : i64, {_ALONE}}}> ({{\n{_ADD}\n}}) : '
    "(tensor<4x$T>) -> tensor<4x$T>",
    "reduce_window": _ZERO + _WINDOW,
    "replica_id": "%r = stablehlo.replica_id : tensor<ui32>",
    "reshape": "%r = stablehlo.reshape %x : (tensor<4x$T>) -> tensor<2x2x$T>",
    "reverse": "%r = stablehlo.reverse %x, dims = [0] : tensor<4x$T>",
    "rng": "%d = stablehlo.constant dense<4> : tensor<1xi64>\n"
    "%r = stablehlo.rng %s, %s, %d, distribution = UNIFORM : (tensor<$T>, tensor<$T>, tensor<1xi64>) -> tensor<4x$T>",
    "rng_bit_generator": "%r:2 = stablehlo.rng_bit_generator %u, algorithm = THREE_FRY : (tensor<2xui64>) -> (tensor<2xui64>, tensor<4x$T>)",
    "scatter": '%r = "stablehlo.scatter"(%x, %n, %w) <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0], '
    "scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({\n" + _ADD + "\n}) : "
    "(tensor<4x$T>, tensor<2xi32>, tensor<2x$T>) -> tensor<4x$T>",
    "select": "%r = stablehlo.select %q, %x, %y : tensor<4xi1>, tensor<4x$T>",
    "select_and_scatter": _SCATTERED,
    "select_and_scatter with large windows": _LARGE_SCATTERED,
    "send": '%r = "stablehlo.send"(%x, %token) <{channel_handle = #stablehlo.channel_handle<handle = 0, type = 1>}> : '
    "(tensor<4x$T>, !stablehlo.token) -> !stablehlo.token",
    "set_dimension_size": "%d = stablehlo.constant dense<4> : tensor<i32>\n"
    "%r = stablehlo.set_dimension_size %x, %d, dim = 0 : (tensor<4x$T>, tensor<i32>) -> tensor<4x$T>",
    "slice": "%r = stablehlo.slice %x [0:4:2] : (tensor<4x$T>) -> tensor<2x$T>",
    "sort": '%r = "stablehlo.sort"(%x) <{dimension = 0 : i64, is_stable = true}> ({\n' + _SELECT + "\n}) : (tensor<4x$T>) -> tensor<4x$T>",
    "torch_index_select": '%r = "stablehlo.torch_index_select"(%m, %n) <{batch_dims = 0 : i64, dim = 0 : i64}> : '
    "(tensor<4x4x$T>, tensor<2xi32>) -> tensor<2x4x$T>",
    "transpose": "%r = stablehlo.transpose %m, dims = [1, 0] : (tensor<4x4x$T>) -> tensor<4x4x$T>",
    "triangular_solve": '%r = "stablehlo.triangular_solve"(%m, %m) <{left_side = true, lower = true, '
    "transpose_a = #stablehlo<transpose NO_TRANSPOSE>, unit_diagonal = false}> : (tensor<4x4x$T>, tensor<4x4x$T>) -> tensor<4x4x$T>",
    "tuple": "%t = stablehlo.tuple %x, %y : tuple<tensor<4x$T>, tensor<4x$T>>\n"
    "%r = stablehlo.get_tuple_element %t[0] : (tuple<tensor<4x$T>, tensor<4x$T>>) -> tensor<4x$T>",
    "unary_einsum": '%r = stablehlo.unary_einsum %m, config = "ab->a" : (tensor<4x4x$T>) -> tensor<4x$T>',
    "while": "%r = stablehlo.while(%a = %x) : tensor<4x$T>\ncond {\nstablehlo.return %p : tensor<i1>\n} do {\n"
    "stablehlo.return %y : tensor<4x$T>\n}",
}

PART = "func.func private @part(%x: tensor<4x$T>) -> tensor<4x$T> {\nreturn %x : tensor<4x$T>\n}\n"
# `return` is part of every region.
LEFT_OUT = {
    "async_start": "newer than 1.13.7",
    "async_done": "newer than 1.13.7",
    "uniform_quantize": "quantized types are not read",
    "uniform_dequantize": "quantized types are not read",
}

_NARROW = ("f8E4M3", "f8E3M4", "f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f8E4M3B11FNUZ", "f8E8M0FNU", "f4E2M1FN")
FLOATS = ("f64", "f32", "bf16", "f16", *_NARROW, "complex<f32>", "complex<f64>")
TYPES = (*FLOATS, "i1", *(f"{sign}{bits}" for sign in ("i", "ui") for bits in (2, 4, 8, 16, 32, 64)))
