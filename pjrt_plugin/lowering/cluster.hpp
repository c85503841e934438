// A cluster of virtual operations as one chain with its sources, and the eltwise program that runs it.
#pragma once

#include <map>
#include <vector>

#include "dnn/operand.hpp"
#include "lowering/chain.hpp"
#include "lowering/graph.hpp"

namespace tt::lowering {

// Sources over distinct storages become operands over numbered input buffers.
class BufferTable {
 public:
  explicit BufferTable(const Plan& plan) : plan_(plan) {}

  size_t buffer(StorageId storage);
  dnn::Operand operand(const Source& source);
  const std::vector<StorageId>& storages() const { return storages_; }
  std::vector<int64_t> bytes() const;

 private:
  const Plan& plan_;
  std::vector<StorageId> storages_;
};

bool same(const Source& a, const Source& b);
DataType carrier(emulator::Lane lane);  // the array type whose encoding is the register's own
dnn::Result dense_result(size_t buffer, DataType type, std::span<const int64_t> dims);

class ClusterChain {
 public:
  ClusterChain(int64_t elements, bool splats_as_inputs) : elements_(elements), splats_as_inputs_(splats_as_inputs && elements > 4096) {}

  void add(NodeId id, const Node& node);  // operands before users; those of other chains as sources
  void output(NodeId id, DataType type) { outputs_.push_back({id, type}); }
  void output(const Ref& leaf, DataType type) { outputs_.push_back({leaf, type}); }  // a Source or Splat
  bool fits() const;                                                                 // few enough circular buffers
  const std::vector<Source>& sources() const { return sources_; }
  emulator::TileProgram finish();
  Step step(PlanBuilder& builder, const std::vector<StorageId>& outputs);

 private:
  struct Output {
    Ref ref;
    DataType type;
  };
  size_t source(const Source& source);
  size_t splat(const Splat& splat, emulator::Lane lane);
  std::string name() const;

  int64_t elements_;
  bool splats_as_inputs_;
  std::vector<std::pair<NodeId, const Node*>> nodes_;
  std::map<NodeId, size_t> position_;
  std::vector<Source> sources_;
  std::vector<Splat> splats_;
  std::vector<Output> outputs_;
};

}  // namespace tt::lowering
