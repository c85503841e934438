// The one exception type of the project: a category (what kind of mistake) and a message (what came, what was expected, what to do).
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace tt {

enum class ErrorCategory {
  kInvalidArgument,    // the caller's mistake
  kUnsupported,        // never planned
  kUnimplemented,      // not yet
  kOutOfMemory,        // device memory
  kUndefinedBehavior,  // the program does what the chip leaves undefined
  kDeadlock,           // kernels wait for each other for ever
  kInternal,           // our bug
};

std::string_view name(ErrorCategory category);

class Error : public std::runtime_error {
 public:
  Error(ErrorCategory category, std::string message);
  ErrorCategory category() const { return category_; }

 private:
  ErrorCategory category_;
};

// Joins its arguments as text, the way they print to a stream.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Throws an Error whose message is the parts joined, e.g. fail(kInvalidArgument, "[matmul] inner dimensions differ: ", a).
template <class... Parts>
[[noreturn]] void fail(ErrorCategory category, const Parts&... parts) {
  throw Error(category, cat(parts...));
}

// The parts are evaluated whether it fails or not: Text(x) instead of to_string(x).
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(ErrorCategory::kInvalidArgument, parts...);
}

// An invariant of our own: its failure is a bug of the project, never of the user.
template <class... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(ErrorCategory::kInternal, parts...);
}

}  // namespace tt
