// A cluster of virtual operations as one chain with its sources, and the eltwise program that runs it.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "dnn/operand.hpp"
#include "lowering/assembly.hpp"
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

dnn::Result dense_result(size_t buffer, DataType type, std::span<const int64_t> dims);

// Elementwise operations over `elements`, each once, from memory to memory.
struct Cluster {
  std::string name;
  int64_t elements;
  emulator::TileProgram chain;
  std::vector<Source> sources;     // chain.inputs[i]
  std::vector<StorageId> outputs;  // of chain.outputs[i]
};

class ClusterChain {
 public:
  explicit ClusterChain(int64_t elements);

  ClusterChain(const ClusterChain&) = delete;
  ClusterChain& operator=(const ClusterChain&) = delete;

  void add(NodeId id, const Node& node) { assembly_.add(id, node); }  // operands before users; those of other chains as sources
  // Takes a choice between padded views, such as a concatenation, for one source. False: the node is none.
  bool add_layers(NodeId id, const Node& node, const Plan& plan);
  void output(const Ref& ref, DataType type) { assembly_.output(ref, type); }
  bool fits() const;  // few enough circular buffers
  const std::vector<Source>& sources() const { return assembly_.inputs(); }
  emulator::TileProgram finish() { return assembly_.finish(); }
  Cluster finish_for(std::vector<StorageId> outputs);

 private:
  int64_t elements_;
  std::unordered_map<NodeId, Source> layers_;
  ChainAssembly<Source> assembly_;
};

bool share_a_program(const Cluster& a, const Cluster& b);                    // one chain, on other memory
Step eltwise_step(PlanBuilder& builder, std::span<const Cluster> parts);     // of such that share a program
std::string name_of(std::span<const std::pair<NodeId, const Node*>> nodes);  // its first operations

}  // namespace tt::lowering
