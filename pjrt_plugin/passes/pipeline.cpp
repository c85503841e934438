// The pipeline.
#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "passes/pass.hpp"

namespace tt::passes {
namespace {

constexpr Pass kPipeline[] = {
    {"inline_calls", inline_calls, /*required=*/true},
    {"partition", partition, /*required=*/true},
    {"rewrite_deprecated", rewrite_deprecated, /*required=*/true},
    {"resolve_tuples", resolve_tuples, /*required=*/true},
    {"resolve_sizes", resolve_sizes, /*required=*/true},
    {"decompose", decompose, /*required=*/true},
    {"canonicalize", canonicalize},
    {"simplify_comparisons", simplify_comparisons},
    {"fold_concatenates", fold_concatenates},
    {"eliminate_common_subexpressions", eliminate_common_subexpressions},
    {"hoist_invariants", hoist_invariants},
    {"hoist_products", hoist_products},
    {"join_products", join_products},
    {"fold_transposes", fold_transposes},
    {"reduce_dots", reduce_dots},
    {"transpose_stacks", transpose_stacks},
    {"eliminate_dead_code", eliminate_dead_code},
    {"assign_layouts", nullptr},
    {"batch_chains", nullptr},
    {"batch_reductions", nullptr},
    {"fuse_attention", nullptr},
    {"fuse_epilogues", nullptr},
    {"fuse_norms", nullptr},
    {"fuse_parts", nullptr},
    {"fuse_reductions", nullptr},
    {"fuse_rows", nullptr},
    {"fuse_turns", nullptr},
    {"fuse_writes", nullptr},
    {"hoist_steps", nullptr},
    {"hoist_tiles", nullptr},
    {"l1_intermediates", nullptr},
    {"recompute", nullptr},
    {"skip_fills", nullptr},
};

}  // namespace

std::span<const Pass> pipeline() { return kPipeline; }

Selection::Selection(std::string_view left_out) {
  for (std::string_view rest = left_out; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto* const pass = std::find_if(std::begin(kPipeline), std::end(kPipeline), [&](const Pass& p) { return p.name == name; });
    if (pass == std::end(kPipeline) || pass->required) {
      std::string known;
      for (const Pass& p : kPipeline) {
        if (!p.required) known += cat(known.empty() ? "" : ", ", p.name);
      }
      fail(ErrorCategory::kInvalidArgument, "[JAX_TT_NO] \"", name, "\" is no pass that can be left out; these can: ", known);
    }
    off_.push_back(pass->name);
  }
}

bool Selection::has(std::string_view pass) const { return std::find(off_.begin(), off_.end(), pass) == off_.end(); }

void run_pipeline(ir::Module& module, const Selection& selection, Dump& dump) {
  dump.write("read", module);
  for (const Pass& pass : kPipeline) {
    if (pass.run == nullptr || !selection.has(pass.name)) continue;
    pass.run(module);
    dump.write(pass.name, module);
    if (dump.is_on()) ir::verify(module);  // what a pass leaves is as valid as what it found
  }
}

}  // namespace tt::passes
