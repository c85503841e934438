// Where in the user's Python a thing came from: MLIR's location attributes, and the names that its printer gives to them.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace tt::ir {

// A place in a file, or a frame made of other locations. A module owns its locations; their addresses are their identities.
struct Location {
  enum class Kind : uint8_t { kUnknown, kFile, kName, kCallSite, kFused };
  Kind kind = Kind::kUnknown;
  std::string text;                     // kFile: the file; kName: JAX's op path or a function; kFused: the metadata as text, or nothing
  std::array<uint64_t, 4> range{};      // kFile: first line and column, last line and column
  std::vector<const Location*> inside;  // kName: what is named, if anything; kCallSite: callee and caller; kFused: all of them
};
using Locations = std::deque<Location>;

inline constinit const Location kUnknownLocation;
std::string to_string(const Location& location);  // "model.py:12 (jit(f)/dot_general)", empty when the payload does not say

// "#loc", "#loc1" ... in MLIR's order: what is made of others after them, otherwise as they first occur in the text.
class LocationNames {
 public:
  // Each location of a text in the order of the text; before() defines one that must not `wait` for after().
  void add(const Location& location, bool may_wait);
  void number();  // the names are given; what is added later has none
  bool are_given() const { return given_; }

  std::string name_or_text(const Location& location) const;  // #loc3
  std::string text(const Location& location) const;          // "jit(f)/add"(#loc2), parts by their names
  std::string before() const;                                // the lines "#loc1 = loc(...)" above the module ...
  std::string after() const;                                 // ... and below it

 private:
  struct Entry {
    const Location* location;
    int depth;
    bool may_wait;
    std::string name;
  };
  size_t visit(const Location& location, bool may_wait);
  void must_not_wait(size_t i);
  std::string definitions(bool waited) const;

  std::vector<Entry> entries_;
  std::unordered_map<const Location*, size_t> index_;
  std::vector<size_t> order_;  // of entries_, by name
  bool given_ = false;
};

}  // namespace tt::ir
