#include "repo/maintenance/prefix_set.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <queue>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kPendingNumbers = std::size_t{8} << 20;  // 64 MiB
constexpr std::size_t kBufferNumbers = std::size_t{32} << 10;  // of a run while it is merged

ByteView bytes_of_numbers(std::span<const std::uint64_t> numbers) { return std::as_bytes(numbers); }

Fd make_file(const std::string& directory) {
  std::string path = directory + "/.tmp-XXXXXX";
  Fd file{::mkostemp(path.data(), O_CLOEXEC)};
  if (!file) throw system_error(errno, "making a temporary file in " + directory);
  ::unlink(path.c_str());
  return file;
}

std::size_t count_in(const Fd& file) {
  const off_t bytes = ::lseek(file.get(), 0, SEEK_END);
  if (bytes < 0) throw system_error(errno, "reading a temporary file");
  return static_cast<std::size_t>(bytes) / sizeof(std::uint64_t);
}

/// Reads a run in order.
class Run {
 public:
  explicit Run(const Fd& file) : file_(file), count_(count_in(file)) { advance(); }

  bool done() const noexcept { return done_; }
  std::uint64_t current() const noexcept { return buffer_[at_]; }
  void advance() {
    if (!buffer_.empty() && ++at_ < buffer_.size()) return;
    const std::size_t count = std::min(kBufferNumbers, count_ - read_);
    done_ = count == 0;
    buffer_.resize(count);
    at_ = 0;
    if (done_) return;
    const auto out = std::as_writable_bytes(std::span{buffer_});
    if (read_at(file_.get(), out, read_ * sizeof(std::uint64_t), "a temporary file") !=
        out.size()) {
      throw Error{ErrorCode::io, "a temporary file became shorter"};
    }
    read_ += count;
  }

 private:
  const Fd& file_;
  const std::size_t count_;
  std::size_t read_ = 0;
  std::vector<std::uint64_t> buffer_;
  std::size_t at_ = 0;
  bool done_ = false;
};

}  // namespace

PrefixSet::PrefixSet(std::string directory) : directory_(std::move(directory)) {}

PrefixSet::~PrefixSet() {
  if (mapped_) {
    ::munmap(const_cast<std::uint64_t*>(sorted_.data()), sorted_.size_bytes());
  }
}

void PrefixSet::add(std::uint64_t prefix) {
  if (pending_.size() == kPendingNumbers) {
    sort_pending();
    // Snapshots repeat each other: mostly little is left.
    if (pending_.size() > kPendingNumbers / 2) spill();
  }
  pending_.push_back(prefix);
}

void PrefixSet::sort_pending() {
  const auto middle = pending_.begin() + static_cast<std::ptrdiff_t>(sorted_pending_);
  std::sort(middle, pending_.end());
  std::inplace_merge(pending_.begin(), middle, pending_.end());
  pending_.erase(std::unique(pending_.begin(), pending_.end()), pending_.end());
  sorted_pending_ = pending_.size();
}

void PrefixSet::spill() {
  Fd file = make_file(directory_);
  write_all_at(file.get(), bytes_of_numbers(pending_), 0, directory_);
  runs_.push_back(std::move(file));
  pending_.clear();
  sorted_pending_ = 0;
}

void PrefixSet::finish() {
  sort_pending();
  if (runs_.empty()) {
    sorted_ = pending_;
    return;
  }
  spill();
  pending_.shrink_to_fit();
  merge_runs();
}

void PrefixSet::merge_runs() {
  std::vector<Run> runs(runs_.begin(), runs_.end());
  const auto later = [&](std::size_t a, std::size_t b) {
    return runs[a].current() > runs[b].current();
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> next{later};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].done()) next.push(i);
  }
  merged_ = make_file(directory_);
  std::vector<std::uint64_t> buffer;
  buffer.reserve(kBufferNumbers);
  std::size_t count = 0;
  const auto flush = [&] {
    write_all_at(merged_.get(), bytes_of_numbers(buffer), count * sizeof(std::uint64_t),
                 directory_);
    count += buffer.size();
    buffer.clear();
  };
  std::uint64_t last = 0;
  bool first = true;
  while (!next.empty()) {
    const std::size_t i = next.top();
    next.pop();
    const std::uint64_t number = runs[i].current();
    if (first || number != last) buffer.push_back(number);
    first = false;
    last = number;
    if (buffer.size() == kBufferNumbers) flush();
    runs[i].advance();
    if (!runs[i].done()) next.push(i);
  }
  flush();
  runs.clear();
  runs_.clear();
  void* const at =
      ::mmap(nullptr, count * sizeof(std::uint64_t), PROT_READ, MAP_SHARED, merged_.get(), 0);
  if (at == MAP_FAILED) throw system_error(errno, "mapping a temporary file");
  sorted_ = {static_cast<const std::uint64_t*>(at), count};
  mapped_ = true;
}

std::optional<std::size_t> PrefixSet::find(std::uint64_t prefix) const noexcept {
  // The numbers are uniform: interpolation finds one in a few looks.
  std::size_t low = 0;
  std::size_t high = sorted_.size();  // sorted_[low] <= prefix < sorted_[high], where they exist
  while (high - low > 16) {
    const std::uint64_t first = sorted_[low];
    const std::uint64_t last = sorted_[high - 1];
    if (prefix < first || prefix > last) return std::nullopt;
    if (first == last) break;
    const double share = static_cast<double>(prefix - first) / static_cast<double>(last - first);
    const std::size_t guess =
        low + std::min(static_cast<std::size_t>(share * static_cast<double>(high - 1 - low)),
                       high - 1 - low);
    // A guess that narrows too little is replaced by the middle.
    const std::size_t margin = (high - low) / 8;
    std::size_t from = guess > margin / 2 ? guess - margin / 2 : low;
    from = std::max(from, low);
    const std::size_t to = std::min(guess + margin / 2 + 1, high);
    if (sorted_[from] <= prefix && (to == high || prefix < sorted_[to])) {
      low = from;
      high = to;
    } else if (prefix < sorted_[from]) {
      high = from;
    } else {
      low = to;
    }
    if (low >= high) return std::nullopt;
  }
  const auto end = sorted_.begin() + static_cast<std::ptrdiff_t>(high);
  const auto found =
      std::lower_bound(sorted_.begin() + static_cast<std::ptrdiff_t>(low), end, prefix);
  if (found == end || *found != prefix) return std::nullopt;
  return static_cast<std::size_t>(found - sorted_.begin());
}

}  // namespace vgerfs::repo
