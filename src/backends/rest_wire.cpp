#include "backends/rest_wire.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <thread>
#include <utility>

#include "backends/http_date.h"
#include "backends/parallel.h"
#include "backends/rest_list.h"
#include "backends/retry_schedule.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/waiting_clock.h"

namespace vgerfs::backends {
namespace {

using format::ObjectName;
using format::ObjectType;

constexpr const char* kAcceptV2 = "Accept: application/vnd.x.restic.rest.v2";
/// The same with times; for a server that has said that it knows it.
constexpr const char* kAcceptTimes = "Accept: application/vnd.vgerfs.list.v1";
constexpr std::size_t kCompareBytes = 1 << 20;
constexpr std::size_t kMaxShownText = 200;
constexpr std::size_t kMaxAnswerBytes = 16 << 20;
constexpr std::int64_t kMaxRetryAfter_s = 3600;
constexpr int kFenced = 412;

bool is_transient(int status) {
  switch (status) {
    case 408:  // time-outs, too many requests, what servers and proxies answer when they are ill
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504: return true;
    default: return false;
  }
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

/// "bytes 0-99/1234": where a part begins and how large the whole is.
struct ContentRange {
  std::uint64_t begin = 0;
  std::uint64_t whole = 0;
};

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == text.npos || slash == text.npos) return std::nullopt;
  const auto begin = parse_number(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto whole = parse_number(text.substr(slash + 1));
  if (!begin || !whole) return std::nullopt;
  return ContentRange{*begin, *whole};
}

std::optional<Timestamp> stored_at(const HttpReply& reply) {
  const auto ns = parse_number(reply.header("vgerfs-stored-at"));
  if (!ns) return std::nullopt;
  return timestamp_of(static_cast<std::int64_t>(*ns));
}

std::optional<format::ChainHead> chain_head(const HttpReply& reply) {
  const auto sequence = parse_number(reply.header("vgerfs-sequence"));
  const auto hash = ObjectId::parse(reply.header("vgerfs-hash"));
  if (!sequence || !hash) return std::nullopt;
  return format::ChainHead{*sequence, hash->bytes()};
}

std::string fence_header(std::uint64_t fence) { return fmt::format("Vgerfs-Fence: {}", fence); }

std::string authorization(const RestLocation& location, const RemoteOptions& options) {
  if (options.token.empty()) return {};
  const std::string& user = options.user.empty() ? location.user : options.user;
  if (user.empty()) return "Bearer " + options.token;
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string plain = user + ":" + options.token;
  std::string text = "Basic ";
  for (std::size_t i = 0; i < plain.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, plain.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (j < count ? static_cast<unsigned char>(plain[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? kDigits[group >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return text;
}

HttpSettings http_settings(const RestLocation& location, const RemoteOptions& options) {
  if (!location.is_encrypted && !location.is_loopback && !options.allow_insecure) {
    throw Error{
        ErrorCode::usage,
        fmt::format("{} sends the token over the network for anybody to read", location.shown),
        "use https://, or allow_insecure: true if the network is trusted"};
  }
  if (options.token.find_first_of("\r\n") != std::string::npos) {
    throw Error{ErrorCode::usage, "the token for the server has more than one line"};
  }
  HttpSettings settings;
  settings.authorization = authorization(location, options);
  settings.unix_socket = location.unix_socket;
  settings.ca_file = options.ca_file;
  settings.client_certificate = options.client_certificate;
  settings.client_key = options.client_key;
  settings.proxy = !location.is_loopback;  // a proxy's loopback is another one
  settings.upload_bytes_per_s = options.upload_bytes_per_s;
  settings.download_bytes_per_s = options.download_bytes_per_s;
  settings.max_transfers = std::max(1U, options.connections);
  settings.stall_timeout = options.stall_timeout;
  settings.answer_timeout = options.answer_timeout;
  return settings;
}

std::chrono::milliseconds retry_after(const HttpReply& reply, std::int64_t now_s) {
  const std::string_view text = reply.header("retry-after");
  std::int64_t s = 0;
  if (const auto seconds = parse_number(text)) {
    s = static_cast<std::int64_t>(std::min<std::uint64_t>(*seconds, kMaxRetryAfter_s));
  } else if (const auto date = parse_http_date(text)) {
    s = *date - now_s;
  }
  return std::chrono::seconds{std::clamp<std::int64_t>(s, 0, kMaxRetryAfter_s)};
}

}  // namespace

/// One call: its request, and what makes an answer that came whole no good all the same.
struct RestWire::Call {
  HttpRequest request;
  std::string what;  ///< "reading data/ab12…": for messages
  /// Before each try.
  std::function<void(HttpRequest&)> prepare = {};
  /// Why a whole answer has to be asked for again; empty if it is good.
  std::function<std::string(const HttpReply&)> objection = {};
  /// Bytes that have come; more than at the last failure is progress.
  std::function<std::size_t()> progress = {};
  /// Whether nothing is missing, however the answer ended.
  std::function<bool()> is_complete = {};
};

RestWire::RestWire(RestLocation location, RemoteOptions options)
    : location_(std::move(location)),
      options_(std::move(options)),
      client_(http_settings(location_, options_)),
      random_(std::random_device{}()) {}

std::optional<std::string> RestWire::api_url(std::string_view call) {
  if (!shows_times()) return std::nullopt;
  const std::lock_guard lock{mutex_};
  // A proxy may have put a prefix before the repository's name, which the server does not know.
  const std::string tail = fmt::format("/{}/", repository_);
  if (repository_.empty() || !location_.base.ends_with(tail)) return std::nullopt;
  const std::string root = location_.base.substr(0, location_.base.size() - tail.size());
  return fmt::format("{}/api/v1/{}/{}", root, call, repository_);
}

std::string RestWire::url(const ObjectName& name) const {
  const std::string_view directory = format::directory_name(name.type);
  if (name.type == ObjectType::config) return fmt::format("{}{}", location_.base, directory);
  return fmt::format("{}{}/{}", location_.base, directory, name.id.hex());
}

Timestamp RestWire::now() const {
  Timestamp now = system_clock().now();
  now.s += ahead_s_;
  return now;
}

void RestWire::learn(const HttpReply& reply) {
  if (reply.status == 0) return;
  has_answered_ = true;
  if (const auto date = parse_http_date(reply.header("date"))) {
    ahead_s_ = *date - system_clock().now().s;
  }
  if (!reply.header("vgerfs-api").empty()) {
    kind_ = Kind::vgerfs;
    if (const auto name = reply.header("vgerfs-repository"); !name.empty()) {
      const std::lock_guard lock{mutex_};
      repository_ = name;
    }
  } else if (reply.is_success()) {
    // A refusal may be some proxy's.
    Kind expected = Kind::unknown;
    kind_.compare_exchange_strong(expected, Kind::other);
  }
}

std::string RestWire::without_token(std::string text) const {
  // A server, or who stands for it, may repeat what it was sent.
  const std::string sent = authorization(location_, options_);
  for (const std::string& secret : {options_.token, sent.substr(sent.find(' ') + 1)}) {
    if (secret.empty()) continue;
    for (std::size_t at = text.find(secret); at != text.npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

HttpReply RestWire::perform(Call& call) {
  RetrySchedule retries{options_.first_pause};
  std::size_t progress = 0;
  for (;;) {
    if (call.prepare) call.prepare(call.request);
    HttpResult result = client_.perform(call.request);
    learn(result.reply);
    if (call.is_complete && call.is_complete()) return std::move(result.reply);
    std::string problem = result.failure;
    if (problem.empty() && is_transient(result.reply.status)) {
      problem = failure({}, result.reply).message();
    }
    if (problem.empty() && call.objection) problem = call.objection(result.reply);
    if (problem.empty()) return std::move(result.reply);
    if (result.is_final) throw transport_failure(call.what, result);
    if (call.progress && call.progress() > std::exchange(progress, call.progress())) {
      retries.progress();
    }
    std::optional<std::chrono::milliseconds> pause;
    {
      const std::lock_guard lock{mutex_};
      const auto patience = has_answered_ ? options_.retry_time : options_.first_answer_time;
      pause = retries.next(std::chrono::steady_clock::now(), patience,
                           retry_after(result.reply, now().s), random_);
    }
    if (!pause) {
      if (!result.failure.empty()) throw transport_failure(call.what, result);
      throw Error{ErrorCode::unavailable,
                  fmt::format("{}: {}: {}", location(), call.what, problem)};
    }
    log::info("{}: {}: {}; again in {} ms", location(), call.what, problem, pause->count());
    if (!wait(system_clock(), *pause, options_.stop)) {
      throw Error{ErrorCode::interrupted, "stopped while the server did not answer"};
    }
  }
}

Error RestWire::transport_failure(const std::string& what, const HttpResult& result) const {
  std::string hint;
  if (result.is_final) {
    hint = "ca_file names the authority of a server's own certificate";
  } else if (!has_answered_) {
    hint = "is the address right, and does the server run?";
  }
  return Error{result.is_final ? ErrorCode::usage : ErrorCode::unavailable,
               fmt::format("{}: {}: {}", location(), what, without_token(result.failure)),
               std::move(hint)};
}

Error RestWire::failure(const std::string& what, const HttpReply& reply) const {
  std::string text = without_token(reply.text.substr(0, reply.text.find_first_of("\r\n")));
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c >= 0x7f; });
  if (text.size() > kMaxShownText) text.resize(kMaxShownText);
  if (text.starts_with('<')) text.clear();  // a proxy's page
  const auto error = [&](ErrorCode code, std::string_view meaning, std::string hint = {}) {
    std::string message = what.empty() ? std::string{} : fmt::format("{}: {}: ", location(), what);
    message += fmt::format("{} ({}{}{})", meaning, reply.status, text.empty() ? "" : ": ", text);
    return Error{code, std::move(message), std::move(hint)};
  };
  if (reply.status >= 300 && reply.status < 400) {
    return error(ErrorCode::usage, "the server sends requests to another address",
                 "give the repository's final URL");
  }
  switch (reply.status) {
    case 401:
      return options_.token.empty()
                 ? error(ErrorCode::denied, "the server wants a token",
                         "VGERFS_REST_TOKEN, rest_token_file or rest_token gives it")
                 : error(ErrorCode::denied, "the server does not accept the token",
                         "it may be revoked or expired, or the server wants a name with it "
                         "(rest_user)");
    case 403:
      return error(ErrorCode::denied, "the server does not allow it",
                   "the token's role, the repositories that it reaches, and the server's "
                   "append_only decide");
    case 404: return error(ErrorCode::unavailable, "the repository is gone from the server");
    case kFenced:
      return error(ErrorCode::busy, "the lease of this run is over, others may be at work",
                   "this machine may have slept, or lost its network; run it again: it goes on "
                   "where it stopped");
    case 413:
      return error(ErrorCode::no_space, "the object is too large for the server",
                   "a proxy in front may have a limit of its own (nginx: client_max_body_size)");
    case 507:
      return error(ErrorCode::no_space, "the server has no space left for it",
                   "its quota or its disk is full: delete snapshots, then compact; where even that "
                   "finds no space, raise the quota first");
    case 405:
    case 501: return error(ErrorCode::unsupported, "the server cannot do that");
    default: break;
  }
  if (reply.status >= 500 || is_transient(reply.status)) {
    return error(ErrorCode::unavailable, "the server failed");
  }
  return error(ErrorCode::io, "the server refused it");
}

bool RestWire::is_present() {
  Call config{
      {.method = HttpMethod::head, .url = url(format::config_name()), .headers = {kAcceptV2}},
      "looking for the repository"};
  if (perform(config).status == 200) return true;
  // It may lack its config only.
  RestListParser parser;
  Call keys{{.url = location_.base + "keys/", .headers = {kAcceptV2}},
            "looking for the repository"};
  keys.prepare = [&](HttpRequest&) { parser = {}; };
  keys.request.take = [&](const HttpReply&, ByteView piece) {
    parser.feed(piece);
    return true;
  };
  if (perform(keys).status != 200) return false;
  // Others list nothing where there is nothing.
  return kind_ == Kind::vgerfs || !parser.finish().empty();
}

void RestWire::note_presence(ObjectType type) {
  // Other servers may show an empty repository where nothing is: there, only a config tells.
  if (kind_ == Kind::vgerfs || type == ObjectType::config) was_present_ = true;
}

void RestWire::expect_absence(const ObjectName& name) {
  // "404" is also what a wrong path, or a server that has lost its disk, answers.
  if (!was_present_) return;
  if (name.type == ObjectType::config && kind_ != Kind::vgerfs) {
    was_present_ = false;
    return;
  }
  if (is_present()) return;
  throw Error{ErrorCode::unavailable,
              fmt::format("{}: looking for {}: the repository is gone from the server", location(),
                          name.path())};
}

void RestWire::create() {
  Call call{{.method = HttpMethod::post, .url = location_.base + "?create=true"},
            "making the repository"};
  const HttpReply reply = perform(call);
  if (reply.status == 404) {
    throw Error{ErrorCode::usage,
                fmt::format("{}: the server makes no repository at this address (404)", location()),
                "most servers take one or two names after the host: https://host/team/name"};
  }
  if (!reply.is_success()) throw failure(call.what, reply);
}

std::optional<ObjectInfo> RestWire::head(const ObjectName& name) {
  Call call{{.method = HttpMethod::head, .url = url(name), .headers = {kAcceptV2}},
            "looking for " + name.path()};
  call.objection = [](const HttpReply& reply) {
    return reply.is_success() && !parse_number(reply.header("content-length"))
               ? std::string{"the server does not say how large it is"}
               : std::string{};
  };
  const HttpReply reply = perform(call);
  if (reply.status == 404) {
    expect_absence(name);
    return std::nullopt;
  }
  if (!reply.is_success()) throw failure(call.what, reply);
  note_presence(name.type);
  return ObjectInfo{name, *parse_number(reply.header("content-length")), stored_at(reply)};
}

bool RestWire::get(const ObjectName& name, std::uint64_t offset, MutableBytes out) {
  std::size_t done = 0;
  std::uint64_t skip = 0;
  bool has_begun = false;
  Call call{{.url = url(name), .headers = {kAcceptV2, {}}}, "reading " + name.path()};
  call.prepare = [&](HttpRequest& request) {
    request.headers[1] = fmt::format("Range: bytes={}-{}", offset + done, offset + out.size() - 1);
    has_begun = false;
  };
  call.request.take = [&](const HttpReply& reply, ByteView piece) {
    if (!has_begun) {
      has_begun = true;
      skip = reply.status == 206 ? 0 : offset + done;  // the range was ignored
      if (reply.status == 206) {
        const auto range = parse_content_range(reply.header("content-range"));
        if (!range || range->begin != offset + done) return false;
      }
    }
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip, piece.size()));
    skip -= skipped;
    piece = piece.subspan(skipped);
    const std::size_t count = std::min(piece.size(), out.size() - done);
    if (count > 0) std::memcpy(out.data() + done, piece.data(), count);
    done += count;
    return done < out.size() || count == piece.size();
  };
  std::optional<std::uint64_t> whole;
  call.objection = [&](const HttpReply& reply) -> std::string {
    if (!reply.is_success()) return {};
    if (const auto range = parse_content_range(reply.header("content-range"))) {
      whole = range->whole;
    } else if (reply.status == 200) {
      whole = parse_number(reply.header("content-length"));
    }
    if (whole && *whole < offset + out.size()) return {};  // it does end there
    return "the answer ended too early, or is not what was asked for";
  };
  call.progress = [&] { return done; };
  call.is_complete = [&] { return done == out.size(); };
  const HttpReply reply = perform(call);
  if (reply.status == 404) {
    expect_absence(name);
    return false;
  }
  if (reply.status != 416 && !reply.is_success()) throw failure(call.what, reply);
  note_presence(name.type);
  if (done < out.size()) {
    throw Error{ErrorCode::corrupt, fmt::format("{}: {} ends before byte {}", location(),
                                                name.path(), offset + out.size())};
  }
  return true;
}

bool RestWire::has_content(const ObjectName& name, ByteView bytes) {
  const auto info = head(name);
  if (!info || info->stored_bytes != bytes.size()) return false;
  Bytes buffer(std::min(kCompareBytes, bytes.size()));
  for (std::size_t at = 0; at < bytes.size();) {
    const MutableBytes part{buffer.data(), std::min(buffer.size(), bytes.size() - at)};
    if (!get(name, at, part)) return false;
    if (std::memcmp(part.data(), bytes.data() + at, part.size()) != 0) return false;
    at += part.size();
  }
  return true;
}

void RestWire::post(const ObjectName& name, ByteView bytes, std::optional<std::uint64_t> fence) {
  Call call{{.method = HttpMethod::post,
             .url = url(name),
             .headers = {"Accept: application/vnd.x.restic.rest.v2"},
             .body = bytes},
            "storing " + name.path()};
  if (fence) call.request.headers.push_back(fence_header(*fence));
  call.objection = [&](const HttpReply& reply) -> std::string {
    if (reply.status != 400 || name.type == ObjectType::config) return {};
    return sha256(bytes) == name.id.bytes() ? "the bytes were damaged on the way" : "";
  };
  const HttpReply reply = perform(call);
  if (reply.is_success()) return note_presence(name.type);
  const auto conflict = [&] {
    return Error{ErrorCode::exists,
                 fmt::format("{}: {} exists with other content", location(), name.path())};
  };
  if (reply.status == 404) {
    throw Error{was_present_ ? ErrorCode::unavailable : ErrorCode::no_repository,
                fmt::format("{}: storing {}: there is no repository", location(), name.path())};
  }
  if (reply.header("vgerfs-error") == to_string(ErrorCode::exists)) throw conflict();
  if (reply.status == 400 && head(name)) throw conflict();  // the name belongs to other bytes
  if (reply.status == 403 && kind_ != Kind::vgerfs) {
    // restic's rest-server refuses what is there already, also when it is the same: a second try
    // after a lost answer.
    if (has_content(name, bytes)) return;
    if (head(name)) throw conflict();
  }
  throw failure(call.what, reply);
}

void RestWire::remove(const ObjectName& name, std::optional<std::uint64_t> fence) {
  Call call{{.method = HttpMethod::remove, .url = url(name), .headers = {kAcceptV2}},
            "removing " + name.path()};
  if (fence) call.request.headers.push_back(fence_header(*fence));
  const HttpReply reply = perform(call);
  if (reply.is_success()) return;
  if (reply.status == 404) {
    expect_absence(name);
    return;
  }
  if (reply.status == 403 && !head(name)) return;
  throw failure(call.what, reply);
}

std::optional<RestChanges> RestWire::changes(std::uint64_t since) {
  const auto url = api_url("changes");
  if (!url) return std::nullopt;
  const std::string what = "asking what is new";
  std::optional<RestChanges> changes;
  const ApiAnswer answer =
      ask(HttpMethod::get, fmt::format("{}?since={}", *url, since), {}, what,
          [&](const std::string& text) { changes = parse_rest_changes(text); });
  const int status = answer.reply.status;
  if (status == 404 || status == 410) return std::nullopt;
  if (!answer.reply.is_success()) throw failure(what, answer.reply);
  return changes;
}

RestWire::List RestWire::list(ObjectType type) {
  const std::string_view directory = format::directory_name(type);
  RestListParser parser;
  std::vector<RestListEntry> entries;
  Call call{{.url = fmt::format("{}{}/", location_.base, directory),
             .headers = {shows_times() ? kAcceptTimes : kAcceptV2},
             .compressible = true},
            fmt::format("listing {}/", directory)};
  std::string problem;
  call.prepare = [&](HttpRequest&) {
    parser = {};
    problem.clear();
  };
  call.request.take = [&](const HttpReply&, ByteView piece) {
    try {
      parser.feed(piece);
    } catch (const Error& error) {
      problem = error.message();
      return false;
    }
    return true;
  };
  call.objection = [&](const HttpReply& reply) -> std::string {
    if (!problem.empty()) return problem;
    if (reply.status == 404 && kind_ != Kind::vgerfs && was_present_ && is_present()) {
      // restic's rest-server answers so when an object goes, or gets its name, under its hands.
      return "the server lost its way in the list";
    }
    if (!reply.is_success()) return {};
    try {
      entries = parser.finish();
      return {};
    } catch (const Error& error) {
      return error.message();
    }
  };
  const HttpReply reply = perform(call);
  if (!reply.is_success()) throw failure(call.what, reply);
  if (entries.empty() && kind_ != Kind::vgerfs && was_present_ && !is_present()) {
    throw Error{
        ErrorCode::unavailable,
        fmt::format("{}: {}: the repository is gone from the server", location(), call.what)};
  }
  note_presence(type);
  std::vector<ObjectInfo> objects;
  std::vector<std::size_t> unknown;
  objects.reserve(entries.size());
  for (const RestListEntry& entry : entries) {
    if (!entry.bytes) unknown.push_back(objects.size());
    ObjectInfo info{{type, entry.id}, entry.bytes.value_or(0), {}};
    if (entry.stored_at_ns) info.stored_at = timestamp_of(*entry.stored_at_ns);
    objects.push_back(info);
  }
  find_sizes(objects, unknown);
  return {std::move(objects), chain_head(reply)};
}

void RestWire::find_sizes(std::vector<ObjectInfo>& objects,
                          const std::vector<std::size_t>& unknown) {
  if (unknown.empty()) return;
  std::vector<char> is_gone(objects.size(), 0);
  for_each_in_parallel(unknown, [&](std::size_t i) {
    if (const auto info = head(objects[i].name)) {
      objects[i] = *info;
    } else {
      is_gone[i] = 1;  // since it was listed
    }
  });
  std::size_t i = 0;
  std::erase_if(objects, [&](const ObjectInfo&) { return is_gone[i++] != 0; });
}

RestWire::ApiAnswer RestWire::ask(HttpMethod method, const std::string& url,
                                  const std::string& body, const std::string& what,
                                  const Understand& understand) {
  ApiAnswer answer;
  bool is_too_long = false;
  Call call{{.method = method, .url = url, .body = bytes_of(body)}, what};
  if (method == HttpMethod::post) call.request.headers = {"Content-Type: application/json"};
  call.prepare = [&](HttpRequest&) {
    answer.text.clear();
    is_too_long = false;
  };
  call.request.take = [&](const HttpReply&, ByteView piece) {
    is_too_long = piece.size() > kMaxAnswerBytes - answer.text.size();
    if (!is_too_long) answer.text += text_of(piece);
    return !is_too_long;
  };
  call.objection = [&](const HttpReply& reply) -> std::string {
    if (!reply.is_success()) return {};
    if (is_too_long) return "the answer is too long";
    try {
      if (understand) understand(answer.text);
      return {};
    } catch (const Error& error) {
      return error.message();
    }
  };
  answer.reply = perform(call);
  if (!answer.reply.is_success()) answer.text = answer.reply.text;
  return answer;
}

std::optional<RestWire::ApiAnswer> RestWire::ask_api(HttpMethod method, std::string_view word,
                                                     const std::string& body,
                                                     const std::string& what,
                                                     const Understand& understand) {
  const auto url = api_url(word);
  if (!url) return std::nullopt;
  ApiAnswer answer = ask(method, *url, body, what, understand);
  switch (answer.reply.status) {
    case 404:
    case 405:
    case 501: return std::nullopt;
    default: return answer;
  }
}

bool RestWire::shows_times() {
  if (kind_ == Kind::unknown) {
    Call call{
        {.method = HttpMethod::head, .url = url(format::config_name()), .headers = {kAcceptV2}},
        "looking for the repository"};
    perform(call);
  }
  return kind_ == Kind::vgerfs;
}

}  // namespace vgerfs::backends
