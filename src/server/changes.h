// The history of a repository's objects as clients get it: at once, when there is something new, or
// as server-sent events.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "format/store_change.h"
#include "server/change_bell.h"
#include "server/http_message.h"
#include "server/object_store.h"

namespace vgerfs::server {

inline constexpr std::string_view kEventStreamType = "text/event-stream";

nlohmann::json json_of(const format::ChainHead& head);

/// One repository's changes. Whoever asks for what is forgotten, or for what never was, gets 410
/// with the head, and lists.
class ChangeReader {
 public:
  ChangeReader(ObjectStore& store, Repository repository)
      : store_(store), repository_(std::move(repository)) {}

  const Repository& repository() const noexcept { return repository_; }
  /// Those after `since`, a bounded number of them; without it the head alone.
  Reply reply(std::optional<std::uint64_t> since);
  /// The same; nullopt if there are none.
  std::optional<Reply> reply_if_any(std::uint64_t since);
  /// As events; moves `since` on. Throws HttpError 410.
  std::string events(std::uint64_t& since);

 private:
  ObjectStore& store_;
  Repository repository_;
};

/// Waits for the first change after `since`.
class ChangeWait final : public LiveReply {
 public:
  ChangeWait(ChangeReader reader, ChangeBell& bell, std::uint64_t since,
             std::chrono::seconds patience)
      : reader_(std::move(reader)), bell_(bell), since_(since), patience_(patience) {}

  void listen(std::function<void()> wake) override;
  std::optional<Reply> reply(bool is_last) override;
  std::string more() override { return {}; }
  std::chrono::seconds patience() const override { return patience_; }
  std::string_view quiet() const override { return {}; }

 private:
  ChangeReader reader_;
  ChangeBell& bell_;
  const std::uint64_t since_;
  const std::chrono::seconds patience_;
  std::unique_ptr<ChangeBell::Listener> listener_;
};

/// Tells every change after `since`, until the client goes.
class ChangeEvents final : public LiveReply {
 public:
  ChangeEvents(ChangeReader reader, ChangeBell& bell, std::uint64_t since)
      : reader_(std::move(reader)), bell_(bell), since_(since) {}

  void listen(std::function<void()> wake) override;
  std::optional<Reply> reply(bool is_last) override;
  std::string more() override { return reader_.events(since_); }
  std::chrono::seconds patience() const override { return std::chrono::seconds{15}; }
  std::string_view quiet() const override { return ":\n\n"; }

 private:
  ChangeReader reader_;
  ChangeBell& bell_;
  std::uint64_t since_;
  std::unique_ptr<ChangeBell::Listener> listener_;
};

}  // namespace vgerfs::server
