// Errors as JAX sees them.
#include <new>

#include "pjrt/guard.hpp"

namespace tt::pjrt {

ErrorCode code_of(ErrorCategory category) {
  switch (category) {
    case ErrorCategory::kInvalidArgument: return ErrorCode::kInvalidArgument;
    case ErrorCategory::kUnsupported:
    case ErrorCategory::kUnimplemented: return ErrorCode::kUnimplemented;
    case ErrorCategory::kOutOfMemory: return ErrorCode::kResourceExhausted;
    case ErrorCategory::kUndefinedBehavior:
    case ErrorCategory::kDeadlock:
    case ErrorCategory::kInternal: return ErrorCode::kInternal;
  }
  return ErrorCode::kInternal;
}

Error* to_error(const tt::Error& error) { return new Error{nullptr, code_of(error.category()), error.what()}; }

Error* current_error() noexcept {
  try {
    throw;
  } catch (const tt::Error& error) {
    return to_error(error);
  } catch (const std::bad_alloc&) {
    return new Error{nullptr, ErrorCode::kResourceExhausted, "the host is out of memory"};
  } catch (const std::exception& error) {
    return new Error{nullptr, ErrorCode::kInternal, error.what()};
  } catch (...) {
    return new Error{nullptr, ErrorCode::kInternal, "unknown exception"};
  }
}

namespace {

void destroy(One<Error>* args) { delete args->object; }

void message(GetText<const Error>* args) {
  args->text = args->object->message.c_str();
  args->size = args->object->message.size();
}

void get_code(Get<const Error, ErrorCode>& args) { args.value = args.object->code; }
void for_each_payload(ErrorPayload&) {}  // ours carry none

}  // namespace

void install_errors(Api& api) {
  api.slots[static_cast<size_t>(Slot::kErrorDestroy)] = reinterpret_cast<void*>(&destroy);
  api.slots[static_cast<size_t>(Slot::kErrorMessage)] = reinterpret_cast<void*>(&message);
  install<&get_code>(api, Slot::kErrorGetCode);
  install<&for_each_payload>(api, Slot::kErrorForEachPayload);
}

}  // namespace tt::pjrt
