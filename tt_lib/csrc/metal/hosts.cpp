// The process with the higher number calls; both show that they have read the other's introduction, or the caller's own.
#include "metal/hosts.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <sstream>

#include "metal/connection.hpp"
#include "metal/host_link.hpp"

namespace tt::metal {
namespace {

constexpr uint32_t kProtocol = 1;  // counts changes of what goes over the connection
constexpr std::chrono::seconds kHandshake{10};

using Secret = std::array<uint64_t, 2>;

Secret new_secret() {
  std::random_device random;
  std::uniform_int_distribution<uint64_t> any;
  return {any(random), any(random)};
}

// What both ends say first.
struct Hello {
  std::array<char, 8> magic = {'t', 't', ' ', 'h', 'o', 's', 't', 's'};
  uint32_t protocol = kProtocol;
  uint32_t process;
  Secret secret;  // of the process that is called

  bool operator==(const Hello&) const = default;
};

bool hear(Connection& connection, Hello& hello) {
  connection.set_patience(kHandshake, kHandshake);
  return connection.read(&hello, sizeof(hello));
}

void say(Connection& connection, const Hello& hello) { connection.write({std::as_bytes(std::span(&hello, 1))}); }

}  // namespace

struct Hosts::Introduction {
  Secret secret;
  uint16_t port;
  std::vector<std::string> addresses;
  std::string greeting;
};

std::string Hosts::text_of(const Introduction& introduction) {
  std::string text =
      cat(kProtocol, " ", introduction.secret[0], " ", introduction.secret[1], " ", introduction.port, " ", introduction.addresses.size());
  for (const std::string& address : introduction.addresses) text += " " + address;
  return text + "\n" + introduction.greeting;
}

Hosts::Introduction Hosts::read(size_t process, const std::string& text) const {
  std::istringstream in(text);
  uint32_t protocol = 0;
  in >> protocol;
  require(protocol == kProtocol, "[hosts] process ", process, " speaks version ", protocol, " of the protocol between hosts, this process ",
          settings_.process, " version ", kProtocol, "; install the same jax_tt for all processes");
  Introduction introduction;
  size_t count = 0;
  in >> introduction.secret[0] >> introduction.secret[1] >> introduction.port >> count;
  for (std::string address; introduction.addresses.size() < count && in >> address;) introduction.addresses.push_back(address);
  require(introduction.addresses.size() == count && in.get() == '\n', "[hosts] process ", process, " introduces itself as \"", text, "\"");
  introduction.greeting.assign(std::istreambuf_iterator<char>(in), {});
  return introduction;
}

Hosts::Hosts(const Store& store, Settings settings) : settings_(std::move(settings)), links_(settings_.count) {
  const auto key = [](size_t process) { return cat("hosts/", process); };
  Listener listener;
  const Introduction own{new_secret(), listener.port(), settings_.addresses.empty() ? own_addresses() : settings_.addresses,
                         settings_.greeting};
  store.put(key(settings_.process), text_of(own));
  std::vector<Introduction> all;
  for (size_t other = 0; other < settings_.count; ++other) {
    all.push_back(other == settings_.process ? own : read(other, store.get(key(other), settings_.patience)));
    greetings_.push_back(all.back().greeting);
  }
  for (size_t other = 0; other < settings_.process; ++other) call(other, all[other]);
  let_in(own, listener);
}

Hosts::~Hosts() = default;

void Hosts::call(size_t process, const Introduction& introduction) {
  const auto own = static_cast<uint32_t>(settings_.process);
  std::string failures;
  for (const std::string& address : introduction.addresses) {
    try {
      auto connection = connect(address, introduction.port, kHandshake);
      say(*connection, {.process = own, .secret = introduction.secret});
      Hello answer;
      connection->set_patience(settings_.patience, kHandshake);  // it may be busy calling others
      check(connection->read(&answer, sizeof(answer)), "it hangs up");
      check(answer == Hello{.process = static_cast<uint32_t>(process), .secret = introduction.secret}, "somebody else is there");
      return add(process, std::move(connection));
    } catch (const Error& error) {
      failures += cat("\n  ", address, " port ", introduction.port, ": ", error.what());
    }
  }
  fail(ErrorCategory::kInternal, "[hosts] process ", own, " reaches process ", process, " at none of its addresses:", failures,
       "\nSet JAX_TT_HOSTS_ADDRESS there to an address that the others can reach.");
}

// Waits for all processes with higher numbers; whoever else calls is ignored.
void Hosts::let_in(const Introduction& own, Listener& listener) {
  const auto until = std::chrono::steady_clock::now() + settings_.patience;
  for (;;) {
    const auto missing = std::find(links_.begin() + static_cast<std::ptrdiff_t>(settings_.process) + 1, links_.end(), nullptr);
    if (missing == links_.end()) return;
    auto connection = listener.accept(until);
    if (connection == nullptr)
      fail(ErrorCategory::kInternal, "[hosts] process ", missing - links_.begin(), " has not called for ", settings_.patience.count(),
           " s");
    try {
      Hello hello;
      if (!hear(*connection, hello) || hello.process >= links_.size()) continue;
      if (hello != Hello{.process = hello.process, .secret = own.secret} || hello.process <= settings_.process) continue;
      say(*connection, {.process = static_cast<uint32_t>(settings_.process), .secret = own.secret});
      add(hello.process, std::move(connection));
    } catch (const Error&) {  // a stranger, or a process that will call again at another address
    }
  }
}

void Hosts::add(size_t process, std::unique_ptr<Connection> connection) {
  links_[process] = std::make_unique<HostLink>(process, std::move(connection), settings_.patience);
}

void Hosts::drop(size_t process, const std::string& why) {
  if (process < links_.size() && links_[process] != nullptr) links_[process]->lose(why);
}

std::shared_ptr<HostRun> Hosts::start(JointProgram program, const std::shared_ptr<Mailbox>& mailbox) {
  auto run = std::make_shared<HostRun>(*this, std::move(program));
  std::optional<Error> gone;
  for (const auto& link : links_) {
    const auto& seats = run->program_.seats;
    if (link == nullptr || std::none_of(seats.begin(), seats.end(), [&](const auto& seat) { return seat.process == link->process(); }))
      continue;
    const HostLink::Started started = link->start(run->program_, mailbox);
    run->others_.emplace_back(link.get(), started.number);
    if (!gone) gone = started.gone;
  }
  if (gone) {
    run->fail(*gone);
    fail(gone->category(), "[", run->program_.name, "] ", gone->what());
  }
  return run;
}

bool HostRun::is_here(size_t card) const { return process_of(card) == hosts_.process(); }

std::string HostRun::describe(size_t card) const { return cat("card ", card, " of ", hosts_.links_[process_of(card)]->name()); }

std::chrono::seconds HostRun::patience() const { return hosts_.settings_.patience; }

uint64_t HostRun::number_for(size_t process) const {
  return std::find_if(others_.begin(), others_.end(), [&](const auto& other) { return other.first->process() == process; })->second;
}

void HostRun::send(size_t card, uint64_t exchange, size_t process, std::span<const uint32_t> readers, std::span<const Bytes> blocks) {
  hosts_.links_[process]->send(number_for(process), static_cast<uint32_t>(card), program_.seats[card].device, exchange, readers, blocks,
                               over_);
}

void HostRun::taken(const Parcel& parcel) {
  hosts_.links_[parcel.process]->taken(number_for(parcel.process), program_.seats[parcel.card].device, parcel.bytes);
}

void HostRun::end() {
  if (over_.exchange(true)) return;
  for (const auto& [link, number] : others_) link->end(number);
}

void HostRun::fail(const std::exception& error) {
  if (over_.exchange(true)) return;
  for (const auto& [link, number] : others_) link->fail(number, error.what());
}

}  // namespace tt::metal
