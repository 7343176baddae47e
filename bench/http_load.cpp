// Puts objects on a server and gets them, as fast as the server goes: bench/server-compare's load.
// It hashes nothing while it is measured and copies nothing that it need not (sendfile one way,
// MSG_TRUNC the other), for it shares the processors with the server.
//
//   http_load make DIRECTORY COUNT BYTES          files of random bytes, named by their SHA-256
//   http_load put PORT METHOD PREFIX DIRECTORY    each file of DIRECTORY to PREFIX + its name
//   http_load get PORT METHOD PREFIX DIRECTORY    the same back; only its length is compared
//   http_load bare DIRECTORY TARGET               what a server cannot avoid: SHA-256, write and
//   fsync of each file
//
// Prints one line of JSON.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sha256.h"

namespace vgerfs {
namespace {

using std::chrono::steady_clock;

/// Larger objects are sent from their files.
constexpr std::uint64_t kSmallBytes = 64 * 1024;
constexpr std::size_t kPieceBytes = 16 * 1024;    // of a slow transfer
constexpr std::size_t kWriteBytes = 1024 * 1024;  // of the bare cost
constexpr int kSlowBufferBytes = 16 * 1024;

struct Options {
  std::string directory;
  std::string target;
  std::string method;
  std::string prefix;
  std::string authorization;
  std::uint16_t port = 0;
  unsigned connections = 4;
  std::uint64_t repeat = 1;
  std::uint64_t bytes_per_second = 0;  // of each connection; 0 = no limit
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

struct Object {
  std::string name;
  std::string path;
  std::uint64_t bytes = 0;
  std::string content;  // of small ones
};

/// What all threads share. Objects are taken one after another by whoever is free.
struct Work {
  std::vector<Object> objects;
  std::uint64_t repeat = 1;  // each so many times
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::vector<double> seconds_each;  // guarded by mutex, as is the next
  std::exception_ptr failure;

  const Object* take() {
    const std::size_t at = next++;
    return at < objects.size() * repeat ? &objects[at % objects.size()] : nullptr;
  }
};

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

void load_objects(const std::string& directory, std::vector<Object>& objects) {
  for (const auto& entry : std::filesystem::directory_iterator{directory}) {
    Object object{.name = entry.path().filename().string(),
                  .path = entry.path().string(),
                  .bytes = entry.file_size()};
    if (object.bytes <= kSmallBytes) {
      object.content = std::string{text_of(read_whole_file(object.path, kSmallBytes))};
    }
    objects.push_back(std::move(object));
  }
  // Always the same order, and none in which neighbours share a directory.
  std::ranges::sort(objects, {}, &Object::name);
  std::ranges::shuffle(objects, std::mt19937_64{1});
}

/// One kept-alive connection; blocks.
class HttpConnection {
 public:
  explicit HttpConnection(const Options& options) : options_(options) {
    socket_ = Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket_) throw system_error(errno, "making a socket");
    const int on = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options.bytes_per_second != 0) {
      // Otherwise the kernel takes a whole small object at once, and nothing is slow.
      for (const int buffer : {SO_RCVBUF, SO_SNDBUF}) {
        ::setsockopt(socket_.get(), SOL_SOCKET, buffer, &kSlowBufferBytes, sizeof kSlowBufferBytes);
      }
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
        0) {
      throw system_error(errno, "connecting");
    }
  }

  void put(const Object& object) {
    std::string head = request(object) + fmt::format(
                                             "Content-Length: {}\r\nContent-Type: "
                                             "application/octet-stream\r\n\r\n",
                                             object.bytes);
    if (options_.bytes_per_second == 0 && object.bytes <= kSmallBytes) {
      send_all(head + object.content);
    } else {
      send_all(head);
      send_file(object);
    }
    skip(read_head());
  }

  void get(const Object& object) {
    send_all(request(object) + "\r\n");
    const std::uint64_t length = read_head();
    if (length != object.bytes) throw Error{ErrorCode::corrupt, "a reply of another length"};
    skip(length);
  }

 private:
  std::string request(const Object& object) const {
    std::string text = fmt::format("{} {}{} HTTP/1.1\r\nHost: localhost\r\n", options_.method,
                                   options_.prefix, object.name);
    if (!options_.authorization.empty()) {
      text += fmt::format("Authorization: {}\r\n", options_.authorization);
    }
    return text;
  }

  void send_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0) throw system_error(errno, "sending");
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  void send_file(const Object& object) {
    const Fd file = open_file(object.path, O_RDONLY);
    const auto started = steady_clock::now();
    for (std::uint64_t done = 0; done < object.bytes;) {
      const ssize_t sent =
          ::sendfile(socket_.get(), file.get(), nullptr, piece_of(object.bytes - done));
      if (sent <= 0) throw system_error(errno, "sending " + object.name);
      done += static_cast<std::uint64_t>(sent);
      keep_pace(started, done);
    }
  }

  /// The reply's Content-Length; what else has come stays in buffer_.
  std::uint64_t read_head() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      char piece[4096];
      const ssize_t count = ::recv(socket_.get(), piece, sizeof piece, 0);
      if (count <= 0) throw Error{ErrorCode::unavailable, "the connection ended"};
      buffer_.append(piece, static_cast<std::size_t>(count));
    }
    const std::string head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    constexpr std::string_view kOk = "HTTP/1.1 20";
    if (!head.starts_with(kOk)) throw Error{ErrorCode::unavailable, "the reply was " + head};
    std::string lower = head;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    constexpr std::string_view kLength = "\r\ncontent-length: ";
    const std::size_t at = lower.find(kLength);
    std::uint64_t length = 0;
    if (at == std::string::npos) return 0;
    const char* const digits = lower.data() + at + kLength.size();
    std::from_chars(digits, lower.data() + lower.size(), length);
    return length;
  }

  void skip(std::uint64_t bytes) {
    const auto started = steady_clock::now();
    const std::uint64_t here = std::min<std::uint64_t>(bytes, buffer_.size());
    buffer_.erase(0, here);
    for (std::uint64_t done = here; done < bytes;) {
      // MSG_TRUNC throws a stream's bytes away without copying them.
      const ssize_t count = ::recv(socket_.get(), nullptr, piece_of(bytes - done), MSG_TRUNC);
      if (count <= 0) throw Error{ErrorCode::unavailable, "the connection ended"};
      done += static_cast<std::uint64_t>(count);
      keep_pace(started, done);
    }
  }

  std::size_t piece_of(std::uint64_t left) const {
    const std::uint64_t most = options_.bytes_per_second == 0 ? 1U << 30 : kPieceBytes;
    return static_cast<std::size_t>(std::min(left, most));
  }

  void keep_pace(steady_clock::time_point started, std::uint64_t done) const {
    if (options_.bytes_per_second == 0) return;
    std::this_thread::sleep_until(
        started + std::chrono::microseconds{1'000'000 * done / options_.bytes_per_second});
  }

  const Options& options_;
  Fd socket_;
  std::string buffer_;
};

/// Runs `body` in as many threads as there are connections and prints what it took.
void measure(const Options& options, Work& work, const std::function<void(Work&)>& body) {
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  const auto started = steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.connections; ++i) {
      threads.emplace_back([&] {
        try {
          body(work);
        } catch (...) {
          const std::lock_guard lock{work.mutex};
          work.failure = std::current_exception();
        }
      });
    }
  }
  const double wall = seconds_since(started);
  if (work.failure) std::rethrow_exception(work.failure);
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  const auto seconds = [](const timeval& a, const timeval& b) {
    return static_cast<double>(b.tv_sec - a.tv_sec) +
           static_cast<double>(b.tv_usec - a.tv_usec) / 1e6;
  };
  const double cpu =
      seconds(before.ru_utime, after.ru_utime) + seconds(before.ru_stime, after.ru_stime);
  std::uint64_t bytes = 0;
  for (const Object& object : work.objects) bytes += work.repeat * object.bytes;
  auto& each = work.seconds_each;
  std::ranges::sort(each);
  fmt::print(R"({{"seconds":{:.4f},"cpu_seconds":{:.3f},"objects":{},"bytes":{},)"
             R"("median_ms":{:.2f},"p99_ms":{:.2f}}})"
             "\n",
             wall, cpu, each.size(), bytes, 1000 * each[each.size() / 2],
             1000 * each[each.size() * 99 / 100]);
}

/// `one` for each object, timed.
void for_each_object(Work& work, const std::function<void(const Object&)>& one) {
  std::vector<double> seconds;
  while (const Object* const object = work.take()) {
    const auto started = steady_clock::now();
    one(*object);
    seconds.push_back(seconds_since(started));
  }
  const std::lock_guard lock{work.mutex};
  work.seconds_each.insert(work.seconds_each.end(), seconds.begin(), seconds.end());
}

void transfer(const Options& options, bool is_put) {
  Work work;
  load_objects(options.directory, work.objects);
  work.repeat = options.repeat;
  measure(options, work, [&](Work& shared) {
    HttpConnection connection{options};
    for_each_object(shared, [&](const Object& object) {
      is_put ? connection.put(object) : connection.get(object);
    });
  });
}

/// A file in memory.
class Mapping {
 public:
  explicit Mapping(const Object& object) : bytes_(object.bytes) {
    const Fd file = open_file(object.path, O_RDONLY);
    start_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
    if (start_ == MAP_FAILED) throw system_error(errno, "mapping " + object.name);
  }
  Mapping(Mapping&& other) noexcept
      : start_(std::exchange(other.start_, nullptr)), bytes_(other.bytes_) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (start_ != nullptr) ::munmap(start_, bytes_);
  }
  ByteView bytes() const { return {static_cast<const std::byte*>(start_), bytes_}; }

 private:
  void* start_ = nullptr;
  std::size_t bytes_;
};

void bare(const Options& options) {
  Work work;
  load_objects(options.directory, work.objects);
  std::vector<Mapping> mappings;
  for (const Object& object : work.objects) mappings.emplace_back(object);
  measure(options, work, [&](Work& shared) {
    Sha256 hash;
    for_each_object(shared, [&](const Object& object) {
      const auto index = static_cast<std::size_t>(&object - shared.objects.data());
      ByteView rest = mappings[index].bytes();
      const std::string path = options.target + "/" + object.name;
      const Fd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
      for (off_t at = 0; !rest.empty();) {
        const ByteView piece = rest.first(std::min(rest.size(), kWriteBytes));
        hash.update(piece);
        write_all(file.get(), piece, path);
        rest = rest.subspan(piece.size());
        // Write-behind, so that the disk does not wait for the processor.
        const auto count = static_cast<off_t>(piece.size());
        ::sync_file_range(file.get(), at, count, SYNC_FILE_RANGE_WRITE);
        at += count;
      }
      if (::fsync(file.get()) != 0) throw system_error(errno, "syncing " + path);
      if (to_hex(hash.finish()) != object.name) throw Error{ErrorCode::corrupt, object.name};
    });
  });
}

void make(const Options& options) {
  make_directories(options.directory, 0700);
  Bytes bytes(options.bytes);
  for (std::uint64_t i = 0; i < options.count; ++i) {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t count = ::getrandom(bytes.data() + done, bytes.size() - done, 0);
      if (count < 0) throw system_error(errno, "drawing random bytes");
      done += static_cast<std::size_t>(count);
    }
    const std::string path = options.directory + "/" + to_hex(sha256(bytes));
    write_all(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600).get(), bytes, path);
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Load for bench/server-compare"};
  app.require_subcommand(1);
  Options options;
  auto* const make_command = app.add_subcommand("make", "Make files, named by their SHA-256");
  make_command->add_option("directory", options.directory)->required();
  make_command->add_option("count", options.count)->required();
  make_command->add_option("bytes", options.bytes)->required();
  auto* const put_command = app.add_subcommand("put", "Put objects on a server");
  auto* const get_command = app.add_subcommand("get", "Get objects from a server");
  for (auto* const command : {put_command, get_command}) {
    command->add_option("port", options.port)->required();
    command->add_option("method", options.method)->required();
    command->add_option("prefix", options.prefix)->required();
    command->add_option("directory", options.directory)->required();
    command->add_option("--authorization", options.authorization);
    command->add_option("--bytes-per-second", options.bytes_per_second);
    command->add_option("--repeat", options.repeat, "Each object so many times");
  }
  auto* const bare_command = app.add_subcommand("bare", "SHA-256, write, fsync");
  bare_command->add_option("directory", options.directory)->required();
  bare_command->add_option("target", options.target)->required();
  for (auto* const command : {put_command, get_command, bare_command}) {
    command->add_option("--connections,--threads", options.connections)->check(CLI::PositiveNumber);
  }
  CLI11_PARSE(app, argc, argv);
  try {
    if (make_command->parsed()) make(options);
    if (put_command->parsed()) transfer(options, true);
    if (get_command->parsed()) transfer(options, false);
    if (bare_command->parsed()) bare(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "http_load: {}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace vgerfs

int main(int argc, char** argv) { return vgerfs::run(argc, argv); }
