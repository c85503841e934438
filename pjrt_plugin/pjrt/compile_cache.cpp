// The cache of the client.
#include "pjrt/compile_cache.hpp"

namespace tt::pjrt {

CompileCache::Compiled CompileCache::get(const std::string& key, const std::function<Compiled()>& compile) {
  std::promise<Compiled> promise;
  {
    std::unique_lock lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      const std::shared_future<Compiled> future = found->second->compiled;
      lock.unlock();
      return future.get();
    }
    entries_.push_front({key, promise.get_future().share()});
    by_key_[key] = entries_.begin();
    if (entries_.size() > kCapacity) {
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
  }
  try {
    Compiled compiled = compile();
    promise.set_value(compiled);
    if (compiled != nullptr && compiled->calls_host()) forget(key);
    return compiled;
  } catch (...) {
    promise.set_exception(std::current_exception());
    forget(key);
    throw;
  }
}

void CompileCache::forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  entries_.erase(found->second);
  by_key_.erase(found);
}

size_t CompileCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace tt::pjrt
