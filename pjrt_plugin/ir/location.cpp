// Locations as text: one line for messages, MLIR's notation with its aliases for printed modules.
#include "ir/location.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "ir/attribute_text.hpp"

namespace tt::ir {

// JAX names an operation, then lists its frames from the innermost out; the innermost is the user's.
std::string to_string(const Location& location) {
  std::string_view name;
  const Location* at = &location;
  while (!at->inside.empty()) {
    if (at->kind == Location::Kind::kName && name.empty()) name = at->text;
    at = at->inside.front();
  }
  if (at->kind == Location::Kind::kName && name.empty()) name = at->text;
  const std::string place = at->kind == Location::Kind::kFile ? cat(at->text, ":", at->range[0]) : "";
  if (name.empty()) return place;
  return place.empty() ? std::string(name) : cat(place, " (", name, ")");
}

void LocationNames::add(const Location& location, bool may_wait) {
  if (!given_) visit(location, may_wait);
}

size_t LocationNames::visit(const Location& location, bool may_wait) {
  const auto [at, is_new] = index_.try_emplace(&location, entries_.size());
  const size_t i = at->second;
  if (!is_new) {
    if (!may_wait) must_not_wait(i);
    return i;
  }
  entries_.push_back({&location, 1, may_wait, {}});
  for (const Location* part : location.inside) {
    const int depth = entries_[visit(*part, may_wait)].depth + 1;
    entries_[i].depth = std::max(entries_[i].depth, depth);
  }
  return i;
}

void LocationNames::must_not_wait(size_t i) {
  if (!entries_[i].may_wait) return;
  entries_[i].may_wait = false;
  for (const Location* part : entries_[i].location->inside) must_not_wait(index_.at(part));
}

void LocationNames::number() {
  if (given_) return;
  given_ = true;
  order_.resize(entries_.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return entries_[a].depth < entries_[b].depth; });
  for (size_t i = 0; i < order_.size(); ++i) entries_[order_[i]].name = i == 0 ? "#loc" : cat("#loc", i);
}

std::string LocationNames::name_or_text(const Location& location) const {
  const auto found = index_.find(&location);
  return found == index_.end() ? text(location) : entries_[found->second].name;
}

std::string LocationNames::text(const Location& location) const {
  const auto part = [&](size_t i) { return name_or_text(*location.inside[i]); };
  switch (location.kind) {
    case Location::Kind::kUnknown: return "unknown";
    case Location::Kind::kFile: {
      const auto& [line, column, last_line, last_column] = location.range;
      const std::string start = cat(quoted(location.text), ":", line, ":", column);
      if (line != last_line) return cat(start, " to ", last_line, ":", last_column);
      return column == last_column ? start : cat(start, " to :", last_column);
    }
    case Location::Kind::kName: return quoted(location.text) + (location.inside.empty() ? "" : "(" + part(0) + ")");
    case Location::Kind::kCallSite: return cat("callsite(", part(0), " at ", part(1), ")");
    case Location::Kind::kFused: {
      std::string parts;
      for (size_t i = 0; i < location.inside.size(); ++i) parts += (i ? ", " : "") + part(i);
      return cat("fused", location.text.empty() ? "" : "<" + location.text + ">", "[", parts, "]");
    }
  }
  return "";
}

std::string LocationNames::definitions(bool waited) const {
  std::string out;
  for (const size_t i : order_) {
    if (entries_[i].may_wait == waited) out += cat(entries_[i].name, " = loc(", text(*entries_[i].location), ")\n");
  }
  return out;
}

std::string LocationNames::before() const { return definitions(false); }
std::string LocationNames::after() const { return definitions(true); }

}  // namespace tt::ir
