// The pipeline.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "passes/pass.hpp"

namespace tt::passes {
namespace {

constexpr Pass kPipeline[] = {
    {"inline_calls", inline_calls, /*required=*/true},
    {"eliminate_dead_code", eliminate_dead_code},
};

}  // namespace

std::span<const Pass> pipeline() { return kPipeline; }

std::vector<std::string_view> switched_off() {
  std::vector<std::string_view> off;
  const char* names = std::getenv("JAX_TT_NO");
  std::string_view rest = names == nullptr ? "" : names;
  while (!rest.empty()) {
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
    off.push_back(pass->name);
  }
  return off;
}

void run_pipeline(ir::Module& module, Dump& dump) {
  const std::vector<std::string_view> off = switched_off();
  dump.write("read", module);
  for (const Pass& pass : kPipeline) {
    if (std::find(off.begin(), off.end(), pass.name) != off.end()) continue;
    pass.run(module);
    dump.write(pass.name, module);
    if (dump.is_on()) ir::verify(module);  // what a pass leaves is as valid as what it found
  }
}

}  // namespace tt::passes
