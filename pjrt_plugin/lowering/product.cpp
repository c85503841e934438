// The chain of an epilogue: its first inputs are the sums, its others are what the elementwise operations read.
#include "lowering/product.hpp"

#include <algorithm>

#include "lowering/assembly.hpp"
#include "lowering/cluster.hpp"

namespace tt::lowering {

std::optional<Step> emit_product(PlanBuilder& builder, std::span<const std::pair<NodeId, Node>> nodes) {
  const auto at = std::find_if(nodes.begin(), nodes.end(), [](const auto& entry) { return entry.second.product != nullptr; });
  const Product& product = *at->second.product;
  bool takes_all = true;
  ChainAssembly<Source> chain(
      [&](const Ref& ref) {
        const auto* source = std::get_if<Source>(&ref);
        if (source == nullptr) return std::optional<Source>();
        std::optional<Source> arranged = product.extra(*source);
        takes_all = takes_all && arranged.has_value();
        return arranged ? arranged : *source;
      },
      [](const Source& source) { return source.type; });
  chain.start_with_sums(at->first, product.parts(), product.accumulator());
  Epilogue epilogue;
  std::vector<StorageId> results;
  for (const auto& [id, node] : nodes) {
    chain.add(id, node);
    if (node.storage == kNoStorage) continue;
    chain.output(id, node.op.type);
    epilogue.types.push_back(node.op.type);
    results.push_back(node.storage);
  }
  constexpr size_t kMaxBuffers = 26;  // beside those of the operands and the partial sums
  if (!takes_all || chain.inputs().size() + results.size() > kMaxBuffers) return std::nullopt;
  if (chain.nodes().size() > product.parts()) epilogue.name = "+" + name_of(chain.nodes());
  epilogue.extras = chain.inputs();
  epilogue.chain = chain.finish();
  return product.build(builder, epilogue, results);
}

}  // namespace tt::lowering
