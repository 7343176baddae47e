// restic's REST protocol from the client's side (docs/PROTOCOL.md): what requests say, what answers
// mean, what is tried again. Works with any server of that protocol; what vgerfs-server can do
// beyond it is found out from its answers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/http_client.h"
#include "backends/remote_options.h"
#include "backends/rest_changes.h"
#include "backends/rest_location.h"
#include "base/error.h"

namespace vgerfs::backends {

/// Thread-safe. Every call tries again what may succeed later, and throws Error: denied, no_space,
/// unavailable, usage, interrupted; no message holds the token.
class RestWire {
 public:
  RestWire(RestLocation location, RemoteOptions options);

  /// Makes the repository's place; success if it is there.
  void create();
  std::optional<ObjectInfo> head(const format::ObjectName& name);
  /// Fills `out` with the bytes from `offset` on; asks for the rest again when an answer breaks
  /// off. False if the object is certainly absent. Throws corrupt if it ends before.
  bool get(const format::ObjectName& name, std::uint64_t offset, MutableBytes out);
  /// Success too if the same bytes are there already. Durable when it returns. Throws exists if
  /// others are.
  /// `fence`: of the lease that it is sent under; busy if that is over.
  void post(const format::ObjectName& name, ByteView bytes,
            std::optional<std::uint64_t> fence = std::nullopt);
  /// Success too if it is absent.
  void remove(const format::ObjectName& name, std::optional<std::uint64_t> fence = std::nullopt);
  struct List {
    std::vector<ObjectInfo> objects;
    std::optional<format::ChainHead> head;  ///< of the history that the list shows, if there is one
  };
  /// All objects of a type but config, complete.
  List list(format::ObjectType type);
  /// What the server's history tells after this number, or the beginning of that; nullopt if it
  /// does not know the number (any more), or keeps no history.
  std::optional<RestChanges> changes(std::uint64_t since);

  struct ApiAnswer {
    HttpReply reply;
    std::string text;
  };
  /// Takes an answer's text. Throws Error for what is none: then it is asked for again.
  using Understand = std::function<void(const std::string&)>;
  /// A call below /api/v1/. nullopt if this server does not know it. Refusals are for the caller.
  std::optional<ApiAnswer> ask_api(HttpMethod method, std::string_view word,
                                   const std::string& body, const std::string& what,
                                   const Understand& understand = {});
  /// What a refusal means. `what` failed.
  [[nodiscard]] Error failure(const std::string& what, const HttpReply& reply) const;

  /// Whether `list` and `head` say when objects were stored. Asks the server if nobody has yet.
  bool shows_times();
  /// The server's time as far as its answers have told it.
  Timestamp now() const;
  /// Whether these bytes are what the object holds.
  bool has_content(const format::ObjectName& name, ByteView bytes);
  const std::string& location() const noexcept { return location_.shown; }

 private:
  struct Call;

  std::string url(const format::ObjectName& name) const;
  std::optional<std::string> api_url(std::string_view call);
  HttpReply perform(Call& call);
  /// Takes the whole answer.
  ApiAnswer ask(HttpMethod method, const std::string& url, const std::string& body,
                const std::string& what, const Understand& understand);
  void learn(const HttpReply& reply);
  void expect_absence(const format::ObjectName& name);
  void note_presence(format::ObjectType type);
  bool is_present();
  [[nodiscard]] Error transport_failure(const std::string& what, const HttpResult& result) const;
  std::string without_token(std::string text) const;
  void find_sizes(std::vector<ObjectInfo>& objects, const std::vector<std::size_t>& unknown);

  enum class Kind { unknown, vgerfs, other };

  const RestLocation location_;
  const RemoteOptions options_;
  HttpClient client_;
  std::atomic<Kind> kind_ = Kind::unknown;
  std::atomic<bool> has_answered_ = false;
  std::atomic<bool> was_present_ = false;  ///< the repository, for certain, at some time
  std::atomic<std::int64_t> ahead_s_ = 0;  ///< the server's clock, of this machine's
  std::mutex mutex_;                       // a leaf; guards all below
  std::minstd_rand random_;
  std::string repository_;  ///< what the server calls it; empty: it has not said
};

}  // namespace vgerfs::backends
