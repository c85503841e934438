// The pipeline.
#include <cstdlib>
#include <string>

#include "passes/pass.hpp"

namespace tt::passes {
namespace {

constexpr Pass kPipeline[] = {
    {"inline_calls", inline_calls},
    {"eliminate_dead_code", eliminate_dead_code},
};

bool is_off(std::string_view pass) {
  const char* off = std::getenv("JAX_TT_NO");
  if (off == nullptr || pass == "inline_calls") return false;
  return ("," + std::string(off) + ",").find("," + std::string(pass) + ",") != std::string::npos;
}

}  // namespace

std::span<const Pass> pipeline() { return kPipeline; }

void run_pipeline(ir::Module& module) {
  for (const Pass& pass : kPipeline) {
    if (!is_off(pass.name)) pass.run(module);
  }
}

}  // namespace tt::passes
