// JAX's store as ours, and what the environment says of the way to other hosts.
#include "pjrt/hosts.hpp"

#include <atomic>
#include <climits>
#include <cstdlib>
#include <sstream>

#include "pjrt/guard.hpp"

namespace tt::pjrt {
namespace {

Error* make_error(ErrorCode code, const char* message, size_t size) { return new Error{nullptr, code, std::string(message, size)}; }
MakeError make_error_function = &make_error;

void check_store(std::string_view action, const std::string& key, Error* error) {
  const std::unique_ptr<Error> owner(error);
  if (error != nullptr) fail(ErrorCategory::kInternal, "[hosts] cannot ", action, " ", key, ": ", error->message);
}

template <class Args>
Args store_args(const std::string& key, void* user) {
  Args args{};
  args.struct_size = sizeof(Args);
  args.key = key.data();
  args.key_size = key.size();
  args.make_error = &make_error_function;
  args.user = user;
  return args;
}

// Keys can be put once only: those of each client of this process begin with its number.
metal::Hosts::Store store_of(const ClientCreate& client) {
  static std::atomic<int> clients = 0;
  const std::string prefix = cat("client ", clients++, "/");
  const auto put = [prefix, client](const std::string& name, const std::string& value) {
    const std::string key = prefix + name;
    auto args = store_args<StorePut>(key, client.put_user);
    args.value = value.data();
    args.value_size = value.size();
    check_store("publish", key, client.put(&args));
  };
  const auto get = [prefix, client](const std::string& name, std::chrono::seconds patience) {
    const std::string key = prefix + name;
    auto args = store_args<StoreGet>(key, client.get_user);
    args.timeout_ms = static_cast<int>(std::min<int64_t>(patience.count() * 1000, INT_MAX));
    check_store("find", key, client.get(&args));
    std::string value(args.value, args.value_size);
    if (args.deleter != nullptr) args.deleter(args.value);
    return value;
  };
  return {put, get};
}

std::chrono::seconds patience() {
  const char* text = std::getenv("JAX_TT_HOSTS_TIMEOUT");
  if (text == nullptr || *text == 0) return metal::Hosts::Settings{}.patience;
  const long seconds = std::strtol(text, nullptr, 10);
  require(seconds > 0, "[client] JAX_TT_HOSTS_TIMEOUT is \"", text, "\", expected a number of seconds");
  return std::chrono::seconds(seconds);
}

std::vector<std::string> own_addresses() {
  const char* text = std::getenv("JAX_TT_HOSTS_ADDRESS");
  return text == nullptr || *text == 0 ? std::vector<std::string>{} : std::vector<std::string>{text};
}

}  // namespace

std::unique_ptr<metal::Hosts> meet_hosts(const ClientCreate& args, std::string cards) {
  int64_t process = 0, count = 1;
  for (size_t i = 0; i < args.num_options; ++i) {
    const NamedValue& option = args.options[i];
    const std::string_view name(option.name, option.name_size);
    if (name == "node_id" && option.type == NamedValue::kInt64) process = option.int64_value;
    if (name == "num_nodes" && option.type == NamedValue::kInt64) count = option.int64_value;
  }
  require(count >= 1 && process >= 0 && process < count, "[client] process ", process, " of ", count);
  if (count == 1) return nullptr;
  return std::make_unique<metal::Hosts>(store_of(args), metal::Hosts::Settings{static_cast<size_t>(process), static_cast<size_t>(count),
                                                                               std::move(cards), own_addresses(), patience()});
}

std::vector<int> cards_of(const metal::Hosts& hosts, std::string_view arch) {
  std::vector<int> counts;
  for (const std::string& greeting : hosts.greetings()) {
    std::istringstream in(greeting);
    std::string theirs;
    in >> theirs >> counts.emplace_back();
    require(theirs == arch, "[client] process ", counts.size() - 1, " has cards of kind ", theirs, ", process ", hosts.process(),
            " of kind ", arch, "; set JAX_TT_ARCH alike for all processes");
  }
  return counts;
}

}  // namespace tt::pjrt
