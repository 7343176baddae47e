#include "server/metrics.h"

#include <algorithm>

#include <fmt/format.h>

namespace vgerfs::server {
namespace {

std::string_view name_of(std::size_t method) {
  switch (static_cast<Method>(method)) {
    case Method::get: return "GET";
    case Method::head: return "HEAD";
    case Method::post: return "POST";
    case Method::remove: return "DELETE";
    case Method::other: return "other";
  }
  return "other";
}

}  // namespace

void Metrics::count_request(Method method, int status, double seconds, std::uint64_t received_bytes,
                            std::uint64_t sent_bytes) noexcept {
  const auto status_class =
      static_cast<std::size_t>(std::clamp(status / 100, 0, static_cast<int>(kClasses) - 1));
  ++requests_[static_cast<std::size_t>(method)][status_class];
  const auto bucket = std::lower_bound(kLatencyBounds.begin(), kLatencyBounds.end(), seconds);
  ++latencies_[static_cast<std::size_t>(bucket - kLatencyBounds.begin())];
  latency_sum_ += seconds;
  received_bytes_ += received_bytes;
  sent_bytes_ += sent_bytes;
}

std::string Metrics::text() const {
  std::string out = "# TYPE vgerfs_requests_total counter\n";
  for (std::size_t method = 0; method < kMethods; ++method) {
    for (std::size_t status = 0; status < kClasses; ++status) {
      const std::uint64_t count = requests_[method][status];
      if (count == 0) continue;
      out += fmt::format("vgerfs_requests_total{{method=\"{}\",status=\"{}xx\"}} {}\n",
                         name_of(method), status, count);
    }
  }
  out += "# TYPE vgerfs_request_seconds histogram\n";
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < latencies_.size(); ++i) {
    sum += latencies_[i];
    const std::string bound =
        i < kLatencyBounds.size() ? fmt::format("{}", kLatencyBounds[i]) : "+Inf";
    out += fmt::format("vgerfs_request_seconds_bucket{{le=\"{}\"}} {}\n", bound, sum);
  }
  out += fmt::format("vgerfs_request_seconds_sum {}\nvgerfs_request_seconds_count {}\n",
                     latency_sum_.load(), sum);
  out += fmt::format("# TYPE vgerfs_received_bytes_total counter\nvgerfs_received_bytes_total {}\n",
                     received_bytes_.load());
  out += fmt::format("# TYPE vgerfs_sent_bytes_total counter\nvgerfs_sent_bytes_total {}\n",
                     sent_bytes_.load());
  out +=
      fmt::format("# TYPE vgerfs_connections gauge\nvgerfs_connections {}\n", connections_.load());
  return out;
}

std::string label_value(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '\\' || letter == '"') out += '\\';
    if (letter == '\n') {
      out += "\\n";
    } else {
      out += letter;
    }
  }
  return out;
}

}  // namespace vgerfs::server
