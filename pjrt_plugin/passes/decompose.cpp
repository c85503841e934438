// The table of what is made of other operations.
#include "passes/decompose.hpp"

#include "passes/pass.hpp"

namespace tt::passes {
namespace {

using ir::Op;

constexpr Replacement kReplacements[] = {
    {Op::kAllGather, all_gather},
    {Op::kAllReduce, all_reduce},
    {Op::kAllToAll, all_to_all},
    {Op::kReduceScatter, reduce_scatter},
    {Op::kBatchNormGrad, batch_norm_grad},
    {Op::kBatchNormInference, batch_norm_inference},
    {Op::kBatchNormTraining, batch_norm_training},
    {Op::kBitcastConvert, bitcast_of_parts},
    {Op::kReduce, first_of_nans},
    {Op::kRng, rng},
    {Op::kSelectAndScatter, select_and_scatter},
};

}  // namespace

void decompose(ir::Module& module) { replace_operations(module, kReplacements); }

}  // namespace tt::passes
