// The stores that must conform: one line each in all_stores().
#include <optional>
#include <utility>

#include "backends/forwarding_backend.h"
#include "backends/local_backend.h"
#include "backends/rest_backend.h"
#include "base/sha256.h"
#include "conformance.h"
#include "fault_proxy.h"
#include "rest_server.h"
#include "support/faulty_backend.h"
#include "support/fixed_random.h"
#include "support/manual_clock.h"
#include "support/memory_backend.h"
#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::testing {
namespace {

using backends::Backend;

template <class MemoryKind>
class InMemory final : public Store {
 public:
  explicit InMemory(bool with_clock)
      : objects_(std::make_shared<MemoryStore>(with_clock ? &clock_ : nullptr)) {}
  std::unique_ptr<Backend> open() override { return std::make_unique<MemoryKind>(objects_); }

 private:
  ManualClock clock_;
  std::shared_ptr<MemoryStore> objects_;
};

class Local final : public Store {
 public:
  explicit Local(backends::LocalOptions options) : options_(options) {
    backends::create_local_backend(directory_ / "repository");
  }
  std::unique_ptr<Backend> open() override {
    return backends::open_local_backend(directory_ / "repository", options_);
  }

 private:
  TemporaryDirectory directory_;
  backends::LocalOptions options_;
};

class Forwarding final : public backends::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
};

template <class Decorator>
class Decorated final : public Store {
 public:
  explicit Decorated(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}
  std::unique_ptr<Backend> open() override { return std::make_unique<Decorator>(inner_->open()); }

 private:
  std::unique_ptr<Store> inner_;
};

/// A repository on the real server, through a network that does what it is told.
class Rest final : public Store {
 public:
  enum class Network { direct, proxy, foreign, faulty };

  explicit Rest(Network network) : network_(network) {
    if (network != Network::direct) proxy_.emplace(server_.socket());
    if (network == Network::foreign) proxy_->hide_extensions(true);
    backends::create_rest_backend(url(), options());
    // Prints its seed when it is made.
    if (network == Network::faulty) proxy_->by_chance(test_seed(), 8);
  }
  std::unique_ptr<Backend> open() override { return backends::open_rest_backend(url(), options()); }

 private:
  std::string url() const {
    return network_ == Network::direct ? server_.unix_url() : proxy_->url() + "/repo";
  }
  static backends::RemoteOptions options() {
    backends::RemoteOptions options;
    options.token = RestServer::kToken;
    options.first_pause = std::chrono::milliseconds{1};
    options.stall_timeout = std::chrono::milliseconds{1000};
    options.answer_timeout = std::chrono::milliseconds{5000};
    return options;
  }

  const Network network_;
  RestServer server_;
  std::optional<FaultProxy> proxy_;
};

std::unique_ptr<Store> local(backends::LocalOptions options = {}) {
  return std::make_unique<Local>(options);
}

}  // namespace

std::vector<StoreKind> all_stores() {
  using backends::Temporary;
  return {
      {"Memory", [] { return std::make_unique<InMemory<MemoryBackend>>(false); }, 3000},
      {"MemoryWithClock", [] { return std::make_unique<InMemory<MemoryBackend>>(true); }},
      {"Forgetting", [] { return std::make_unique<InMemory<ForgettingBackend>>(false); }},
      {"Local", [] { return local(); }, 3000},
      {"LocalNamedTemporaries", [] { return local({.temporary = Temporary::named}); }},
      {"LocalFewOpenFiles", [] { return local({.max_open_files = 2}); }},
      {"LocalFewOpenNamedFiles",
       [] { return local({.max_open_files = 1, .temporary = Temporary::named}); }},
      {"Forwarding", [] { return std::make_unique<Decorated<Forwarding>>(local()); }},
      {"FaultyWithoutOrders", [] { return std::make_unique<Decorated<FaultyBackend>>(local()); }},
      {"Rest", [] { return std::make_unique<Rest>(Rest::Network::proxy); }},
      {"RestOnASocket", [] { return std::make_unique<Rest>(Rest::Network::direct); }, 1000},
      {"RestOfAnotherServer", [] { return std::make_unique<Rest>(Rest::Network::foreign); }, 100},
      {"RestOnABadNetwork", [] { return std::make_unique<Rest>(Rest::Network::faulty); }, 100},
  };
}

Bytes content(std::uint64_t number, std::size_t size) { return random_bytes(number, size); }

format::ObjectName name_of(format::ObjectType type, ByteView bytes) {
  return {type, ObjectId{sha256(bytes)}};
}

Bytes stored(Backend& backend, const format::ObjectName& name) {
  const auto info = backend.stat(name);
  if (!info) throw Error{ErrorCode::not_found, name.path()};
  Bytes bytes(static_cast<std::size_t>(info->stored_bytes));
  backend.read(name, 0, bytes);
  return bytes;
}

std::set<format::ObjectName> listed(Backend& backend, format::ObjectType type) {
  std::set<format::ObjectName> names;
  backend.list(type, [&](const backends::ObjectInfo& info) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name.path() << " was listed twice";
  });
  return names;
}

}  // namespace vgerfs::testing
