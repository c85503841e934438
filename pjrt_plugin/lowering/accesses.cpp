// One walk over the body. What an inner loop reads it reads until it ends.
#include "lowering/accesses.hpp"

#include <algorithm>

namespace tt::lowering {

Accesses::Accesses(const Sequence& body, int64_t at, Find find) : find_(std::move(find)), paths_(1) { note(body, at, 0); }

bool Accesses::reads_after_write(StorageId in, StorageId out) const {
  const auto read = reads_.find(in), written = writes_.find(out);
  if (read == reads_.end() || written == writes_.end()) return false;
  for (const Access& write : written->second) {
    const auto comes_after = [&](const Access& r) {
      if (r.at < write.at || exclude_each_other(r, write)) return false;
      return r.at > write.at || r.run == nullptr || !in_place(*write.run, in, out);
    };
    if (std::any_of(read->second.begin(), read->second.end(), comes_after)) return true;
  }
  return false;
}

bool Accesses::exclude_each_other(const Access& a, const Access& b) const {
  const Path &x = paths_[a.path], &y = paths_[b.path];
  for (size_t i = 0; i < std::min(x.size(), y.size()) && x[i].first == y[i].first; ++i) {
    if (x[i].second != y[i].second) return true;
  }
  return false;
}

// Whether the step reads `in` by one slot alone, whose memory it may write `out` to.
bool Accesses::in_place(const RunStep& run, StorageId in, StorageId out) const {
  const auto is = [&](uint16_t slot, StorageId storage) { return find_(run.slots[slot]) == storage; };
  return std::any_of(run.in_place.begin(), run.in_place.end(),
                     [&](const auto& pair) { return is(pair.first, in) && is(pair.second, out); }) &&
         std::count_if(run.slots.begin(), run.slots.end(), [&](StorageId slot) { return find_(slot) == in; }) == 1;
}

void Accesses::read(StorageId storage, int64_t at, size_t path, const RunStep* run) { reads_[find_(storage)].push_back({at, path, run}); }

void Accesses::note(const Sequence& steps, int64_t& at, size_t path) {
  for (const Step& step : steps) {
    if (const auto* run = std::get_if<RunStep>(&step.action)) {
      const size_t inputs = run->inputs();
      for (size_t i = 0; i < run->slots.size(); ++i) {
        if (i < inputs) {
          read(run->slots[i], at, path, run);
        } else {
          writes_[find_(run->slots[i])].push_back({at, path, run});
        }
      }
      ++at;
    } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
      note_inner(*loop, at, path);
    } else {
      const auto& branches = std::get<CaseStep>(step.action);
      read(branches.selector, at, path);
      ++at;
      for (size_t i = 0; i < branches.branches.size(); ++i) {
        paths_.push_back(paths_[path]);
        paths_.back().emplace_back(&branches, i);
        note(*branches.branches[i], at, paths_.size() - 1);
      }
    }
  }
}

void Accesses::note_inner(const WhileStep& loop, int64_t& at, size_t path) {
  ++at;
  note(*loop.condition, at, path);
  note(*loop.body, at, path);
  const auto read_until_end = [&](const RunStep& run) {
    for (size_t i = 0; i < run.inputs(); ++i) read(run.slots[i], at, path);
  };
  for_each_run(*loop.condition, read_until_end);
  for_each_run(*loop.body, read_until_end);
  read(loop.predicate, at, path);
  for (const auto& [argument, next] : loop.carried) {
    read(argument, at, path);
    read(next, at, path);
  }
  ++at;
}

}  // namespace tt::lowering
