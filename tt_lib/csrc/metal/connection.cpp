// POSIX sockets.
#include "metal/connection.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "base/error.hpp"

namespace tt::metal {
namespace {

constexpr size_t kBufferBytes = 64 << 10;  // more is read straight to where it belongs

std::string reason() { return std::strerror(errno); }

[[noreturn]] void lost(const std::string& why) { fail(ErrorCategory::kInternal, "the connection is lost: ", why); }

void set_option(const Socket& socket, int level, int option, int value) {
  setsockopt(socket.handle(), level, option, &value, sizeof(value));
}

void set_timeout(const Socket& socket, int option, std::chrono::seconds patience) {
  const timeval limit{static_cast<time_t>(patience.count()), 0};
  setsockopt(socket.handle(), SOL_SOCKET, option, &limit, sizeof(limit));
}

// Waits until the socket can be used; false: it cannot by then.
bool wait_for(const Socket& socket, short what, std::chrono::steady_clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd watched{socket.handle(), what, 0};
    const int ready = poll(&watched, 1, static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) lost(reason());
  }
}

Socket any_address(int family) {
  Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.handle() < 0) return socket;
  set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(family);  // all other bytes zero: any address, any port
  const socklen_t size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (bind(socket.handle(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || listen(socket.handle(), SOMAXCONN) != 0)
    return Socket(-1);
  return socket;
}

// "fe80::" addresses mean nothing without the interface's number.
bool is_of_use(const sockaddr* address) {
  if (address == nullptr || (address->sa_family != AF_INET && address->sa_family != AF_INET6)) return false;
  return address->sa_family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* number = address->sa_family == AF_INET ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr)
                                                     : &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  inet_ntop(address->sa_family, number, text, sizeof(text));
  const std::string_view mapped = "::ffff:";  // IPv4 through a socket for both
  return std::string_view(text).starts_with(mapped) ? text + mapped.size() : text;
}

int port_of(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                                            : reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

}  // namespace

Socket::Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
Socket::~Socket() {
  if (handle_ >= 0) close(handle_);
}

Connection::Connection(Socket socket) : socket_(std::move(socket)), buffer_(kBufferBytes) {
  set_option(socket_, IPPROTO_TCP, TCP_NODELAY, 1);
}

void Connection::set_patience(std::chrono::seconds read, std::chrono::seconds write) {
  set_timeout(socket_, SO_RCVTIMEO, read);
  set_timeout(socket_, SO_SNDTIMEO, write);
}

void Connection::write(std::vector<Bytes> parts) {
  std::erase_if(parts, [](Bytes part) { return part.empty(); });
  std::vector<iovec> rest;
  for (const Bytes part : parts) rest.push_back({const_cast<std::byte*>(part.data()), part.size()});
  for (size_t first = 0; first < rest.size();) {
    msghdr message{};
    message.msg_iov = rest.data() + first;
    message.msg_iovlen = std::min<size_t>(rest.size() - first, IOV_MAX);
    const ssize_t sent = sendmsg(socket_.handle(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) lost(errno == EAGAIN ? "it takes no more data" : reason());
    auto left = static_cast<size_t>(sent);
    for (; first < rest.size() && left >= rest[first].iov_len; ++first) left -= rest[first].iov_len;
    if (left == 0) continue;
    rest[first].iov_base = static_cast<std::byte*>(rest[first].iov_base) + left;
    rest[first].iov_len -= left;
  }
}

// At least one byte; none: the other end has closed.
size_t Connection::receive(void* to, size_t bytes) {
  for (;;) {
    const ssize_t got = recv(socket_.handle(), to, bytes, 0);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) lost(errno == EAGAIN ? "nothing comes" : reason());
  }
}

bool Connection::read(void* to, size_t bytes) {
  auto* next = static_cast<std::byte*>(to);
  for (size_t left = bytes; left > 0;) {
    size_t got = std::min(left, end_ - begin_);
    if (got > 0) {
      std::memcpy(next, buffer_.data() + begin_, got);
      begin_ += got;
    } else if (left >= kBufferBytes) {
      got = receive(next, left);
    } else {
      begin_ = 0;
      end_ = receive(buffer_.data(), kBufferBytes);
      if (end_ > 0) continue;
    }
    if (got == 0 && left == bytes) return false;
    if (got == 0) lost("it ends in the middle of a message");
    next += got;
    left -= got;
  }
  return true;
}

void Connection::shut() { shutdown(socket_.handle(), SHUT_RDWR); }

std::string Connection::other_end() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(socket_.handle(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return "nowhere";
  return cat(text_of(reinterpret_cast<const sockaddr*>(&address)), ":", port_of(address));
}

Listener::Listener()
    : socket_([] {
        Socket both = any_address(AF_INET6);
        return both.handle() >= 0 ? std::move(both) : any_address(AF_INET);
      }()) {
  if (socket_.handle() < 0) fail(ErrorCategory::kInternal, "[hosts] this host lets nobody listen on TCP: ", reason());
}

uint16_t Listener::port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(socket_.handle(), reinterpret_cast<sockaddr*>(&address), &size);
  return static_cast<uint16_t>(port_of(address));
}

std::unique_ptr<Connection> Listener::accept(std::chrono::steady_clock::time_point until) {
  while (wait_for(socket_, POLLIN, until)) {
    Socket socket(accept4(socket_.handle(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.handle() >= 0) return std::make_unique<Connection>(std::move(socket));
    if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) lost(reason());
  }
  return nullptr;
}

std::unique_ptr<Connection> connect(const std::string& address, uint16_t port, std::chrono::seconds patience) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int answer = getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (answer != 0) lost(gai_strerror(answer));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Socket socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    set_timeout(socket, SO_SNDTIMEO, patience);  // holds for connecting too
    if (::connect(socket.handle(), at->ai_addr, at->ai_addrlen) == 0) return std::make_unique<Connection>(std::move(socket));
  }
  lost(errno == EINPROGRESS ? "nobody answers" : reason());
}

std::vector<std::string> own_addresses() {
  std::vector<std::string> outer, loops;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {"127.0.0.1"};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, freeifaddrs);
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) {
    if ((at->ifa_flags & IFF_UP) == 0 || !is_of_use(at->ifa_addr)) continue;
    ((at->ifa_flags & IFF_LOOPBACK) != 0 ? loops : outer).push_back(text_of(at->ifa_addr));
  }
  outer.insert(outer.end(), loops.begin(), loops.end());
  return outer;
}

}  // namespace tt::metal
