#include "fs/fuse/session.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <new>
#include <utility>

#include "base/log.h"
#include "fs/fuse/binding.h"
#include "fs/fuse/captured_stderr.h"
#include "fs/fuse/invalidator.h"
#include "fs/fuse/read_ahead.h"
#include "fs/fuse/request_loop.h"
#include "fs/fuse/slots.h"

namespace vgerfs::fs {
namespace {

constexpr std::chrono::seconds kMaxHandshake{60};
/// A request that holds the lock which the kernel needs for forgetting a name delays us this long
/// at most.
constexpr std::chrono::milliseconds kMaxInvalidation{1000};

struct SessionDeleter {
  void operator()(fuse_session* session) const { ::fuse_session_destroy(session); }
};

/// A comma or backslash in a value would end it.
std::string escape(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

std::string mount_options(const SessionOptions& options) {
  std::string text = "default_permissions,subtype=vgerfs,fsname=" + escape(options.source);
  text += options.read_only ? ",ro" : ",rw";
  text += options.dev ? ",dev" : ",nodev";
  text += options.suid ? ",suid" : ",nosuid";
  if (options.noexec) text += ",noexec";
  if (options.noatime) text += ",noatime";
  if (options.allow_other) text += ",allow_other";
  return text;
}

void log_line(fuse_log_level level, const char* format, va_list arguments) {
  std::array<char, 1024> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string_view line{text.data()};
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (level <= FUSE_LOG_ERR) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  } else {
    log::debug("{}", line);
  }
}

/// libfuse reads and writes its descriptor through these.
ssize_t read_message(int fd, void* buffer, std::size_t size, void* /*userdata*/) {
  const ssize_t got = ::read(fd, buffer, size);
  if (got == 0) errno = ENODEV;  // the other end is gone: an unmount
  return got == 0 ? -1 : got;
}
ssize_t write_message(int fd, iovec* vectors, int count, void* /*userdata*/) {
  return ::writev(fd, vectors, count);
}

}  // namespace

struct Session::Impl {
  Impl(Views the_views, MountRoot& root, SessionOptions the_options)
      : views(the_views),
        options(std::move(the_options)),
        binding(views, root,
                {.read_only = options.read_only,
                 .statistics = options.statistics,
                 .committed = [this] { show_commits(); }}) {
    ::fuse_set_log_func(log_line);
    const std::string text = mount_options(options);
    fuse_args args = FUSE_ARGS_INIT(0, nullptr);
    for (const char* argument : {"vgerfs", "-o", text.c_str()}) {
      if (::fuse_opt_add_arg(&args, argument) != 0) throw std::bad_alloc{};
    }
    session.reset(::fuse_session_new(&args, &operations(), sizeof(fuse_lowlevel_ops), &binding));
    ::fuse_opt_free_args(&args);
    if (!session) throw Error{ErrorCode::unsupported, "libfuse refuses the mount options: " + text};
    invalidator = std::make_shared<Invalidator>(session.get());
    const auto invalidate = [to = invalidator](NodeId parent, std::string_view name) {
      to->push(parent, name);
    };
    if (views.browse != nullptr) views.browse->set_invalidate(invalidate);
    if (views.ingest != nullptr) {
      views.ingest->set_invalidate(invalidate);
      views.ingest->set_invalidate_attributes(
          [to = invalidator](NodeId node) { to->forget_attributes(node); });
    }
  }

  void show_commits() {
    if (views.browse != nullptr) views.browse->adopt();
    invalidator->drain(kMaxInvalidation);
  }

  void serve(std::function<void()> ended) {
    loop = std::make_unique<RequestLoop>(session.get(), std::move(ended));
    loop->start();
    if (!binding.wait_until_ready(kMaxHandshake)) {
      throw Error{ErrorCode::unavailable, "the kernel does not begin to talk to the file system"};
    }
  }

  const Views views;
  const SessionOptions options;
  Binding binding;
  std::unique_ptr<fuse_session, SessionDeleter> session;
  std::shared_ptr<Invalidator> invalidator;
  std::unique_ptr<RequestLoop> loop;
  bool mounted = false;
};

Session::Session(Views views, MountRoot& root, SessionOptions options)
    : impl_(std::make_unique<Impl>(views, root, std::move(options))) {}

Session::~Session() {
  stop();
  unmount();
  impl_->invalidator->close();
}

void Session::mount(const std::string& mount_point, std::function<void()> ended) {
  CapturedStderr captured;
  const bool mounted = ::fuse_session_mount(impl_->session.get(), mount_point.c_str()) == 0;
  const std::string said = captured.finish();
  if (!mounted) {
    throw Error{ErrorCode::io,
                fmt::format("mounting on {}: {}", mount_point, said.empty() ? "refused" : said)};
  }
  impl_->mounted = true;
  impl_->serve(std::move(ended));
  raise_read_ahead(mount_point);
}

void Session::serve_descriptor(int descriptor, std::function<void()> ended) {
  const fuse_custom_io io{.writev = write_message,
                          .read = read_message,
                          .splice_receive = nullptr,
                          .splice_send = nullptr};
  if (::fuse_session_custom_io(impl_->session.get(), &io, descriptor) != 0) {
    throw Error{ErrorCode::io, "libfuse refuses the descriptor"};
  }
  impl_->serve(std::move(ended));
}

void Session::interrupt() noexcept { impl_->binding.stop(); }

void Session::stop() {
  interrupt();
  if (impl_->loop) impl_->loop->stop();
  impl_->binding.slow_lane().close();
}

void Session::unmount() {
  if (std::exchange(impl_->mounted, false)) ::fuse_session_unmount(impl_->session.get());
}

void Session::show_commits() { impl_->show_commits(); }

}  // namespace vgerfs::fs
