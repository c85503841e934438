// Names of the error categories.
#include "base/error.hpp"

namespace tt {

std::string_view name(ErrorCategory category) {
  switch (category) {
    case ErrorCategory::kInvalidArgument: return "InvalidArgument";
    case ErrorCategory::kUnsupported: return "Unsupported";
    case ErrorCategory::kUnimplemented: return "Unimplemented";
    case ErrorCategory::kOutOfMemory: return "OutOfMemory";
    case ErrorCategory::kUndefinedBehavior: return "UndefinedBehavior";
    case ErrorCategory::kDeadlock: return "Deadlock";
    case ErrorCategory::kInternal: return "Internal";
  }
  return "Internal";
}

Error::Error(ErrorCategory category, std::string message) : std::runtime_error(std::move(message)), category_(category) {}

}  // namespace tt
