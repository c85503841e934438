// Compiled programs by payload and options: two threads that ask for the same program compile it once; the least recently used ones go.
#pragma once

#include <functional>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "executable/executable.hpp"

namespace tt::pjrt {

class CompileCache {
 public:
  using Compiled = std::shared_ptr<const executable::Executable>;
  using Key = std::shared_ptr<const std::string>;
  struct Program {
    Compiled compiled;
    Key key;
  };

  // What `compile` makes of the key, if it is not there yet; an exception is passed on and not kept, nor is a program that calls the host.
  Program get(std::string key, const std::function<Compiled(const std::string& key)>& compile);
  size_t size() const;

  static constexpr size_t kCapacity = 512;               // programs; those in use live on outside
  static constexpr size_t kMaxBytes = size_t{64} << 20;  // of keys, of all but the last; their constants take as much again

 private:
  struct Entry {
    Key key;
    std::shared_future<Compiled> compiled;
  };
  void forget(std::string_view key);
  void drop(std::list<Entry>::iterator entry);

  mutable std::mutex mutex_;
  std::list<Entry> entries_;                                                 // most recently used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;  // the entries' own keys
  size_t bytes_ = 0;                                                         // of keys
};

}  // namespace tt::pjrt
