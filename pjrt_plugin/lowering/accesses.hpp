// Which steps of a loop's body read and write a storage, and which of them one turn can take after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lowering/plan.hpp"

namespace tt::lowering {

class Accesses {
 public:
  using Find = std::function<StorageId(StorageId)>;  // whose memory a storage has

  // `at`: the position of the first step, counted as the memory plan does.
  Accesses(const Sequence& body, int64_t at, Find find);

  // Whether some turn reads `in` at or after the position where it writes `out`. A step that may write in place reads first.
  bool reads_after_write(StorageId in, StorageId out) const;

 private:
  using Path = std::vector<std::pair<const CaseStep*, size_t>>;  // the branches that lead to a step
  struct Access {
    int64_t at;
    size_t path;
    const RunStep* run;  // null: a loop or a branch looks at it
  };

  void note(const Sequence& steps, int64_t& at, size_t path);
  void note_inner(const WhileStep& loop, int64_t& at, size_t path);
  void read(StorageId storage, int64_t at, size_t path, const RunStep* run = nullptr);
  bool exclude_each_other(const Access& a, const Access& b) const;
  bool in_place(const RunStep& run, StorageId in, StorageId out) const;

  const Find find_;
  std::vector<Path> paths_;
  std::unordered_map<StorageId, std::vector<Access>> reads_, writes_;
};

}  // namespace tt::lowering
