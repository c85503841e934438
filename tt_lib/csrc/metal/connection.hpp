// Streams of bytes between processes over TCP: listening, connecting, whole reads and writes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tt::metal {

// A socket, closed with its owner.
class Socket {
 public:
  explicit Socket(int handle) : handle_(handle) {}
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&&) = delete;
  ~Socket();
  int handle() const { return handle_; }

 private:
  int handle_;
};

using Bytes = std::span<const std::byte>;

// One end. One thread reads and one writes at a time.
class Connection {
 public:
  explicit Connection(Socket socket);

  // The whole parts, one after the other. Fails when the other end is gone, or takes nothing for as long as `set_patience` says.
  void write(std::vector<Bytes> parts);
  // Fills `to`. False: the other end has closed before the first byte. Fails when it closes later, or (with patience) sends nothing.
  bool read(void* to, size_t bytes);
  void set_patience(std::chrono::seconds read, std::chrono::seconds write);  // 0: for ever
  void shut();                                                               // ends all reads and writes, of both ends
  std::string other_end() const;                                             // "10.0.0.7:4711"

 private:
  size_t receive(void* to, size_t bytes);

  Socket socket_;
  std::vector<std::byte> buffer_;  // has been received, not read
  size_t begin_ = 0, end_ = 0;
};

class Listener {
 public:
  Listener();  // at any free port, on all addresses of this host
  uint16_t port() const;
  std::unique_ptr<Connection> accept(std::chrono::steady_clock::time_point until);  // null: nobody has come

 private:
  Socket socket_;
};

// Fails with what the system says.
std::unique_ptr<Connection> connect(const std::string& address, uint16_t port, std::chrono::seconds patience);

// By which others may reach this host, best first.
std::vector<std::string> own_addresses();

}  // namespace tt::metal
