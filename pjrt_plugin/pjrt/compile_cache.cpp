// The cache of the client.
#include "pjrt/compile_cache.hpp"

namespace tt::pjrt {

CompileCache::Program CompileCache::get(std::string text, const std::function<Compiled(const std::string&)>& compile) {
  const auto key = std::make_shared<const std::string>(std::move(text));
  std::promise<Compiled> promise;
  {
    std::unique_lock lock(mutex_);
    if (const auto found = by_key_.find(*key); found != by_key_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      const Entry entry = *found->second;
      lock.unlock();
      return {entry.compiled.get(), entry.key};
    }
    entries_.push_front({key, promise.get_future().share()});
    by_key_[*key] = entries_.begin();
    bytes_ += key->size();
    while (entries_.size() > kCapacity || (bytes_ > kMaxBytes && entries_.size() > 1)) drop(std::prev(entries_.end()));
  }
  try {
    Compiled compiled = compile(*key);
    promise.set_value(compiled);
    if (compiled != nullptr && compiled->calls_host()) forget(*key);
    return {compiled, key};
  } catch (...) {
    promise.set_exception(std::current_exception());
    forget(*key);
    throw;
  }
}

void CompileCache::forget(std::string_view key) {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) drop(found->second);
}

void CompileCache::drop(std::list<Entry>::iterator entry) {
  by_key_.erase(*entry->key);
  bytes_ -= entry->key->size();
  entries_.erase(entry);
}

size_t CompileCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace tt::pjrt
