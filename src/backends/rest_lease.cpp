#include "backends/rest_lease.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "backends/forwarding_backend.h"
#include "base/error.h"
#include "base/sha256.h"

namespace vgerfs::backends {
namespace {

using format::ObjectName;
using nlohmann::json;

/// What is sent under a lease.
class FencedBackend final : public ForwardingBackend {
 public:
  FencedBackend(FencedStore& store, FencePtr fence)
      : ForwardingBackend(store.whole()), store_(store), fence_(std::move(fence)) {}

  void write(const ObjectName& name, ByteView bytes) override {
    store_.write_under(fence_, name, bytes);
  }
  void barrier() override { store_.barrier_under(fence_); }
  void remove(const ObjectName& name) override { store_.remove_under(fence_, name); }

 private:
  FencedStore& store_;
  const FencePtr fence_;
};

class RestLease final : public StoreLease {
 public:
  RestLease(RestWire& wire, FencedStore& store, const ObjectId& id, std::uint32_t ttl_s,
            FencePtr fence)
      : wire_(wire),
        request_(json{{"lease", id.hex()}}.dump()),
        ttl_s_(ttl_s),
        fence_(std::move(fence)),
        backend_(store, fence_) {}

  std::uint32_t ttl_s() const noexcept override { return ttl_s_; }
  Backend& backend() noexcept override { return backend_; }
  bool is_over() const noexcept override { return fence_->is_over; }

  bool renew() override {
    if (fence_->is_over) return false;
    const auto answer = wire_.ask_api(HttpMethod::post, "renew", request_, "renewing the lease");
    if (!answer) {
      throw Error{ErrorCode::unavailable, wire_.location() + ": the server knows no leases now"};
    }
    if (answer->reply.is_success()) return true;
    if (answer->reply.status != kGone) throw wire_.failure("renewing the lease", answer->reply);
    fence_->is_over = true;
    return false;
  }

  void release() override {
    const auto answer =
        wire_.ask_api(HttpMethod::post, "release", request_, "giving the lease back");
    if (answer && !answer->reply.is_success()) {
      throw wire_.failure("giving the lease back", answer->reply);
    }
  }

 private:
  static constexpr int kGone = 410;

  RestWire& wire_;
  const std::string request_;
  const std::uint32_t ttl_s_;
  const FencePtr fence_;
  FencedBackend backend_;
};

Error held_by_another(const std::string& location, const std::string& text) {
  std::string who = "somebody";
  std::string until;
  try {
    const json holder = json::parse(text);
    auto token = holder.at("token").get<std::string>();
    std::erase_if(token, [](unsigned char c) { return c < 0x20 || c >= 0x7f; });
    who = fmt::format("token '{}'", token);
    until = fmt::format(", for another {} s unless it is renewed",
                        holder.at("expires_in_seconds").get<std::int64_t>());
  } catch (const json::exception&) {  // NOLINT(bugprone-empty-catch): it is news only
  }
  return Error{ErrorCode::busy,
               fmt::format("{}: another maintenance run is at work, of {}{}", location, who, until),
               "wait until it ends; if it is dead, `vgerfs-admin lock break` ends its lease"};
}

Error no_answer(const std::string& location) {
  return Error{ErrorCode::unavailable,
               location + ": the server's answer about leases makes no sense"};
}

ListedStoreLease listed_lease(const json& lease) {
  const auto id = LeaseId::parse(lease.at("lease").get<std::string>());
  return {.id = id.value_or(LeaseId{}),
          .is_exclusive = lease.at("kind").get<std::string>() == "exclusive",
          .fence = lease.at("fence").get_ref<const json::number_unsigned_t&>(),
          .token = lease.at("token").get<std::string>(),
          .left_s = lease.at("expires_in_seconds").get<std::int64_t>()};
}

}  // namespace

Error fenced_error(const std::string& location) {
  return Error{ErrorCode::busy,
               location +
                   ": the lease of this run is over, others may be at work: the server "
                   "takes nothing from it any more",
               "this machine may have slept, or lost its network; run it again: it goes on where "
               "it stopped"};
}

std::unique_ptr<StoreLease> acquire_rest_lease(RestWire& wire, FencedStore& store,
                                               const WantedLease& wanted) {
  const std::string request = json{
      {"object", to_hex(wanted.object)},
      {"kind", wanted.is_exclusive ? "exclusive" : "shared"},
      {"ttl_seconds",
       wanted.ttl_s}}.dump();
  const std::string what = "taking a lease";
  const auto answer = wire.ask_api(HttpMethod::post, "leases", request, what);
  if (!answer) return nullptr;
  constexpr int kConflict = 409;
  if (answer->reply.status == kConflict) {
    throw held_by_another(wire.location(), answer->text);
  }
  if (!answer->reply.is_success()) throw wire.failure(what, answer->reply);
  auto fence = std::make_shared<Fence>();
  std::uint32_t ttl_s = 0;
  try {
    const json granted = json::parse(answer->text);
    fence->number = granted.at("fence").get_ref<const json::number_unsigned_t&>();
    ttl_s = granted.at("ttl_seconds").get<std::uint32_t>();
  } catch (const json::exception&) {
    throw no_answer(wire.location());
  }
  if (ttl_s == 0) throw no_answer(wire.location());
  return std::make_unique<RestLease>(wire, store, ObjectId{sha256(wanted.object)},
                                     std::min(ttl_s, wanted.ttl_s), std::move(fence));
}

std::optional<std::vector<ListedStoreLease>> list_rest_leases(RestWire& wire) {
  const std::string what = "listing leases";
  const auto answer = wire.ask_api(HttpMethod::get, "leases", {}, what);
  if (!answer) return std::nullopt;
  if (!answer->reply.is_success()) throw wire.failure(what, answer->reply);
  try {
    std::vector<ListedStoreLease> leases;
    const json list = json::parse(answer->text);
    for (const json& lease : list.at("leases")) leases.push_back(listed_lease(lease));
    return leases;
  } catch (const json::exception&) {
    throw no_answer(wire.location());
  }
}

}  // namespace vgerfs::backends
