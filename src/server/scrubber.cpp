#include "server/scrubber.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/thread.h"

namespace vgerfs::server {
namespace {

constexpr std::int64_t kInterval_s = 600;
constexpr std::int64_t kDay_s = 86400;

}  // namespace

Scrubber::Scrubber(ObjectStore& store, Verifier& verifier, const EventLog& log, Config config)
    : store_(store), verifier_(verifier), log_(log), config_(std::move(config)) {
  thread_ = start_thread("scrub", [this](const std::stop_token& stop) { run(stop); });
}

void Scrubber::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  for (;;) {
    wake.wait_for(lock, stop, std::chrono::seconds{kInterval_s}, [] { return false; });
    if (stop.stop_requested()) return;
    try {
      scrub(kInterval_s, stop);
    } catch (const std::exception& error) {
      log_.write(Severity::error, "scrub_failed", {{"error", error.what()}});
    }
  }
}

void Scrubber::scrub(std::int64_t seconds, const std::stop_token& stop) {
  const auto config = config_();
  if (config->scrub_days == 0) return;
  const std::int64_t whole_s = static_cast<std::int64_t>(config->scrub_days) * kDay_s;
  std::map<std::int64_t, std::uint64_t> bytes;
  std::vector<RepositoryRow> repositories;
  {
    const auto connection = store_.reader();
    Catalog catalog{*connection};
    repositories = catalog.repositories();
    for (const TotalRow& row : catalog.totals()) bytes[row.repository] += row.bytes;
  }
  for (const RepositoryRow& row : repositories) {
    const auto name = RepositoryName::parse(row.name);
    if (!name || stop.stop_requested()) continue;
    const double share = static_cast<double>(seconds) / static_cast<double>(whole_s);
    const HashCheckLimits limits{
        .max_bytes = 1 + static_cast<std::uint64_t>(static_cast<double>(bytes[row.id]) * share),
        .max_time = std::chrono::seconds{seconds},
        .bytes_per_second = config->scrub_bytes_per_second};
    try {
      verifier_.check_hashes({row.id, *name}, limits, stop);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::busy) continue;  // somebody checks it just now
      log_.write(Severity::error, "scrub_failed",
                 {{"repository", row.name}, {"error", error.message()}});
    }
  }
}

}  // namespace vgerfs::server
