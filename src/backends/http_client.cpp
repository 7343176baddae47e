#include "backends/http_client.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>

#include <curl/curl.h>

#include "backends/http_pace.h"
#include "base/error.h"
#include "base/thread.h"

namespace vgerfs::backends {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxHeaders = 64;
constexpr std::size_t kMaxHeaderBytes = 1024;
constexpr std::size_t kMaxTextBytes = 1024;
constexpr long kReceiveBytes = 512 * 1024;
constexpr long kSendBytes = 512 * 1024;
constexpr std::chrono::milliseconds kLongestPoll{1000};
/// So much of each transfer passes at once, whatever is owed (it is counted): a small request, the
/// renewal of a lease above all, must not wait behind large ones, which take all that comes free.
constexpr std::size_t kUnpacedBytes = 4096;

struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;
using Easy = std::unique_ptr<CURL, FreeEasy>;

void initialise_curl() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (result != CURLE_OK) throw Error{ErrorCode::io, curl_easy_strerror(result)};
}

/// What no second attempt mends.
bool is_final(CURLcode code) {
  static constexpr CURLcode kFinal[] = {CURLE_FAILED_INIT,
                                        CURLE_URL_MALFORMAT,
                                        CURLE_NOT_BUILT_IN,
                                        CURLE_OUT_OF_MEMORY,
                                        CURLE_BAD_FUNCTION_ARGUMENT,
                                        CURLE_UNKNOWN_OPTION,
                                        CURLE_PEER_FAILED_VERIFICATION,
                                        CURLE_SSL_CERTPROBLEM,
                                        CURLE_SSL_CIPHER,
                                        CURLE_SSL_CACERT_BADFILE,
                                        CURLE_SSL_ENGINE_NOTFOUND,
                                        CURLE_SSL_PINNEDPUBKEYNOTMATCH,
                                        CURLE_SSL_CLIENTCERT};
  return std::find(std::begin(kFinal), std::end(kFinal), code) != std::end(kFinal);
}

void append_header(HeaderList& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc{};
  static_cast<void>(list.release());
  list.reset(longer);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

}  // namespace

std::string_view to_string(HttpMethod method) noexcept {
  switch (method) {
    case HttpMethod::get: return "GET";
    case HttpMethod::head: return "HEAD";
    case HttpMethod::post: return "POST";
    case HttpMethod::remove: return "DELETE";
  }
  return "request";
}

std::string_view HttpReply::header(std::string_view name) const noexcept {
  const auto found = std::find_if(headers.rbegin(), headers.rend(),
                                  [&](const auto& header) { return header.first == name; });
  return found == headers.rend() ? std::string_view{} : std::string_view{found->second};
}

class HttpClient::Impl {
 public:
  explicit Impl(HttpSettings settings)
      : settings_(std::move(settings)),
        upload_pace_(settings_.upload_bytes_per_s),
        download_pace_(settings_.download_bytes_per_s) {
    for (const std::string* file :
         {&settings_.ca_file, &settings_.client_certificate, &settings_.client_key}) {
      if (!file->empty() && ::access(file->c_str(), R_OK) != 0) {
        Error error = system_error(errno, *file);
        throw Error{ErrorCode::usage, error.message()};
      }
    }
    initialise_curl();
    multi_ = curl_multi_init();
    if (multi_ == nullptr) throw std::bad_alloc{};
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(settings_.max_transfers));
  }

  ~Impl() {
    thread_.request_stop();
    curl_multi_wakeup(multi_);
    if (thread_.joinable()) thread_.join();
    curl_multi_cleanup(multi_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  HttpResult perform(const HttpRequest& request) {
    Transfer transfer{*this, request};
    {
      const std::lock_guard lock{mutex_};
      if (!thread_.joinable()) {
        thread_ = start_thread("vgerfs-http", [this](const std::stop_token& stop) { run(stop); });
      }
      waiting_.push_back(&transfer);
    }
    curl_multi_wakeup(multi_);
    std::unique_lock lock{mutex_};
    done_.wait(lock, [&] { return transfer.is_done; });
    if (transfer.thrown) std::rethrow_exception(transfer.thrown);
    return std::move(transfer.result);
  }

 private:
  /// One request on its way. Lives in its caller's frame until `is_done`.
  struct Transfer {
    Transfer(Impl& owner, const HttpRequest& asked) : client(owner), request(asked) {}

    Impl& client;
    const HttpRequest& request;
    HttpResult result;
    Easy easy;
    HeaderList headers;
    std::size_t sent = 0;
    std::size_t received = 0;
    Clock::time_point moved_at;  ///< last byte in either direction
    bool is_paused = false;
    bool has_header = false;  ///< up to its empty line
    std::exception_ptr thrown;
    bool is_done = false;  ///< guarded by mutex_
    char message[CURL_ERROR_SIZE] = {};
  };

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      admit();
      int running = 0;
      curl_multi_perform(multi_, &running);
      collect();
      watch();
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(poll_time().count()), nullptr);
    }
  }

  /// Starts what waits, as far as the limit allows.
  void admit() {
    for (;;) {
      Transfer* next = nullptr;
      {
        const std::lock_guard lock{mutex_};
        if (waiting_.empty() || under_way_.size() >= settings_.max_transfers) return;
        next = waiting_.front();
        waiting_.pop_front();
      }
      try {
        prepare(*next);
        under_way_.push_back(next);
        const CURLMcode code = curl_multi_add_handle(multi_, next->easy.get());
        if (code != CURLM_OK) throw Error{ErrorCode::io, curl_multi_strerror(code)};
      } catch (...) {
        next->thrown = std::current_exception();
        finish(*next);
      }
    }
  }

  void prepare(Transfer& transfer);

  void collect() {
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      char* pointer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &pointer);
      auto& transfer = *reinterpret_cast<Transfer*>(pointer);
      if (code != CURLE_OK && !transfer.result.was_ended && transfer.result.failure.empty()) {
        transfer.result.failure =
            transfer.message[0] != 0 ? transfer.message : curl_easy_strerror(code);
        transfer.result.is_final = is_final(code);
      } else if (code == CURLE_OK && !transfer.has_header) {
        transfer.result.failure = "the answer's header broke off";  // curl lets that pass
      }
      finish(transfer);
    }
  }

  /// Lets go on what was paused, ends what has stalled.
  void watch() {
    const Clock::time_point now = Clock::now();
    const std::vector<Transfer*> transfers = under_way_;  // finish() changes the list
    for (Transfer* const transfer : transfers) {
      if (transfer->is_paused) {
        transfer->moved_at = now;
        if (upload_pace_.is_open(now) && download_pace_.is_open(now)) {
          transfer->is_paused = false;
          curl_easy_pause(transfer->easy.get(), CURLPAUSE_CONT);
        }
        continue;
      }
      const bool waits_for_answer = transfer->request.method == HttpMethod::post &&
                                    transfer->sent == transfer->request.body.size() &&
                                    transfer->result.reply.status == 0;
      const auto limit = waits_for_answer ? settings_.answer_timeout : settings_.stall_timeout;
      if (now - transfer->moved_at < limit) continue;
      transfer->result.failure = fmt::format("nothing came or went for {} s",
                                             std::chrono::duration<double>{limit}.count());
      finish(*transfer);
    }
  }

  std::chrono::milliseconds poll_time() const {
    auto time = kLongestPoll;
    const Clock::time_point now = Clock::now();
    for (const Transfer* const transfer : under_way_) {
      if (!transfer->is_paused) continue;
      const auto free_at = std::max(upload_pace_.free_at(), download_pace_.free_at());
      time = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(free_at - now),
                        std::chrono::milliseconds{0}, time);
    }
    if (!under_way_.empty()) {
      time = std::min(time, std::max(std::chrono::milliseconds{10}, settings_.stall_timeout / 4));
    }
    return time;
  }

  void finish(Transfer& transfer) {
    if (transfer.easy) {
      curl_multi_remove_handle(multi_, transfer.easy.get());
      transfer.easy.reset();
    }
    std::erase(under_way_, &transfer);
    const std::lock_guard lock{mutex_};
    transfer.is_done = true;
    done_.notify_all();
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t count, void* pointer);
  static std::size_t on_body(char* data, std::size_t, std::size_t count, void* pointer);
  static std::size_t on_send(char* to, std::size_t, std::size_t count, void* pointer);
  static int on_seek(void* pointer, curl_off_t offset, int origin);

  const HttpSettings settings_;
  CURLM* multi_ = nullptr;

  std::mutex mutex_;  // a leaf
  std::condition_variable done_;
  std::deque<Transfer*> waiting_;  // guarded by mutex_
  std::jthread thread_;            // started under mutex_

  // The thread's own:
  HttpPace upload_pace_;
  HttpPace download_pace_;
  std::vector<Transfer*> under_way_;
};

void HttpClient::Impl::prepare(Transfer& transfer) {
  // A new one each time: connections and sessions are kept by the multi handle, and a used one
  // takes not every setting again (CURLOPT_BUFFERSIZE after HTTP/2, in 7.88).
  transfer.easy.reset(curl_easy_init());
  if (!transfer.easy) throw std::bad_alloc{};
  transfer.moved_at = Clock::now();
  const HttpRequest& request = transfer.request;
  CURL* const easy = transfer.easy.get();
  const auto set = [&](CURLoption option, auto value) {
    const CURLcode code = curl_easy_setopt(easy, option, value);
    if (code != CURLE_OK) {
      throw Error{ErrorCode::io, fmt::format("setting up a request ({}): {}",
                                             static_cast<int>(option), curl_easy_strerror(code))};
    }
  };
  set(CURLOPT_PRIVATE, &transfer);
  set(CURLOPT_ERRORBUFFER, transfer.message);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings_.connect_timeout.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_BUFFERSIZE, kReceiveBytes);
  set(CURLOPT_USERAGENT, "vgerfs/" VGERFS_VERSION);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, &transfer);
  if (!settings_.unix_socket.empty()) {
    set(CURLOPT_UNIX_SOCKET_PATH, settings_.unix_socket.c_str());
  }
  if (!settings_.proxy) set(CURLOPT_PROXY, "");
  if (!settings_.ca_file.empty()) set(CURLOPT_CAINFO, settings_.ca_file.c_str());
  if (!settings_.client_certificate.empty()) {
    set(CURLOPT_SSLCERT, settings_.client_certificate.c_str());
    const std::string& key =
        settings_.client_key.empty() ? settings_.client_certificate : settings_.client_key;
    set(CURLOPT_SSLKEY, key.c_str());
  }
  if (request.compressible) set(CURLOPT_ACCEPT_ENCODING, "gzip");
  for (const std::string& header : request.headers) append_header(transfer.headers, header);
  if (!settings_.authorization.empty()) {
    append_header(transfer.headers, "Authorization: " + settings_.authorization);
  }
  switch (request.method) {
    case HttpMethod::get: break;
    case HttpMethod::head: set(CURLOPT_NOBODY, 1L); break;
    case HttpMethod::remove: set(CURLOPT_CUSTOMREQUEST, "DELETE"); break;
    case HttpMethod::post:
      set(CURLOPT_POST, 1L);
      if (request.body.empty()) {
        set(CURLOPT_POSTFIELDS, "");
      } else {
        set(CURLOPT_UPLOAD_BUFFERSIZE, kSendBytes);
        set(CURLOPT_READFUNCTION, on_send);
        set(CURLOPT_READDATA, &transfer);
        set(CURLOPT_SEEKFUNCTION, on_seek);
        set(CURLOPT_SEEKDATA, &transfer);
      }
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      append_header(transfer.headers, "Expect:");  // a round trip for nothing
      append_header(transfer.headers, "Content-Type: application/octet-stream");
      break;
  }
  if (transfer.headers) set(CURLOPT_HTTPHEADER, transfer.headers.get());
}

std::size_t HttpClient::Impl::on_header(char* data, std::size_t, std::size_t count, void* pointer) {
  Transfer& transfer = *static_cast<Transfer*>(pointer);
  transfer.moved_at = Clock::now();
  try {
    const std::string_view line = trimmed({data, count});
    HttpReply& reply = transfer.result.reply;
    if (line.starts_with("HTTP/")) {
      // Another one follows a "100 Continue".
      reply = {};
      transfer.has_header = false;
      const std::size_t space = line.find(' ');
      const std::string_view digits =
          space == std::string_view::npos ? std::string_view{} : line.substr(space + 1, 3);
      for (const char c : digits) {
        if (c >= '0' && c <= '9') reply.status = reply.status * 10 + (c - '0');
      }
      return count;
    }
    if (line.empty()) transfer.has_header = true;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.size() > kMaxHeaderBytes ||
        reply.headers.size() >= kMaxHeaders) {
      return count;
    }
    std::string name{line.substr(0, colon)};
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    reply.headers.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
    return count;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 0;
  }
}

std::size_t HttpClient::Impl::on_body(char* data, std::size_t, std::size_t count, void* pointer) {
  Transfer& transfer = *static_cast<Transfer*>(pointer);
  HttpPace& pace = transfer.client.download_pace_;
  const Clock::time_point now = Clock::now();
  const bool is_small = transfer.received + count <= kUnpacedBytes;
  if (!pace.is_open(now) && !is_small) {
    transfer.is_paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  pace.count(count, now);
  transfer.received += count;
  transfer.moved_at = now;
  try {
    HttpReply& reply = transfer.result.reply;
    if (!reply.is_success()) {
      reply.text.append(data, std::min(count, kMaxTextBytes - reply.text.size()));
    } else if (transfer.request.take &&
               !transfer.request.take(reply, bytes_of(std::string_view{data, count}))) {
      transfer.result.was_ended = true;
      return 0;
    }
    return count;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 0;
  }
}

std::size_t HttpClient::Impl::on_send(char* to, std::size_t, std::size_t count, void* pointer) {
  Transfer& transfer = *static_cast<Transfer*>(pointer);
  HttpPace& pace = transfer.client.upload_pace_;
  const Clock::time_point now = Clock::now();
  const ByteView rest = transfer.request.body.subspan(transfer.sent);
  std::size_t size = pace.piece(std::min(count, rest.size()));
  if (!rest.empty() && !pace.is_open(now)) {
    if (transfer.sent >= kUnpacedBytes) {
      transfer.is_paused = true;
      return CURL_READFUNC_PAUSE;
    }
    size = std::min(size, kUnpacedBytes - transfer.sent);
  }
  if (size > 0) std::memcpy(to, rest.data(), size);
  transfer.sent += size;
  transfer.moved_at = now;
  pace.count(size, now);
  return size;
}

int HttpClient::Impl::on_seek(void* pointer, curl_off_t offset, int origin) {
  Transfer& transfer = *static_cast<Transfer*>(pointer);
  if (origin != SEEK_SET || offset < 0 ||
      static_cast<std::uint64_t>(offset) > transfer.request.body.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  transfer.sent = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

HttpClient::HttpClient(HttpSettings settings)
    : impl_(std::make_unique<Impl>(std::move(settings))) {}

HttpClient::~HttpClient() = default;

HttpResult HttpClient::perform(const HttpRequest& request) { return impl_->perform(request); }

}  // namespace vgerfs::backends
