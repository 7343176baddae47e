#include "cli/tar_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>  // NOLINT(modernize-deprecated-headers): newlocale is POSIX

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/sha256.h"
#include "repo/content_reader.h"
#include "repo/extents.h"
#include "repo/file_entry.h"

namespace vgerfs::cli {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
constexpr int kRecordBytes = 10240;  // what tar pads archives to
/// GNU tar begins each piece between holes with a block of its own, libarchive does not: both agree
/// on whole ones.
constexpr std::uint64_t kTarBlockBytes = 512;
/// Beyond so many pieces between holes a file is written with its zeros.
constexpr std::size_t kMaxSparsePieces = 100'000;

/// libarchive takes names for text of the thread's locale. In this one UTF-8 stays as it is, and
/// other bytes, too.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = ::uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_;
  locale_t before_ = nullptr;
};

struct AclEntry {
  int tag = 0;
  int permissions = 0;
  int id = -1;
};

/// Of the xattr's bytes as Linux has them: version 2, then tag, permissions and id of each. Nullopt
/// if they are not that.
std::optional<std::vector<AclEntry>> parse_acl(ByteView bytes) {
  constexpr std::size_t kHeadBytes = 4;
  constexpr std::size_t kEntryBytes = 8;
  const auto number = [&](std::size_t at, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = count; i-- > 0;)
      value = (value << 8U) | std::to_integer<std::uint32_t>(bytes[at + i]);
    return value;
  };
  if (bytes.size() < kHeadBytes || (bytes.size() - kHeadBytes) % kEntryBytes != 0 ||
      number(0, 4) != 2)
    return std::nullopt;
  std::vector<AclEntry> entries;
  for (std::size_t at = kHeadBytes; at < bytes.size(); at += kEntryBytes) {
    AclEntry entry;
    entry.permissions = static_cast<int>(number(at + 2, 2));
    if (entry.permissions > 7) return std::nullopt;
    switch (number(at, 2)) {
      case 0x01: entry.tag = ARCHIVE_ENTRY_ACL_USER_OBJ; break;
      case 0x02: entry.tag = ARCHIVE_ENTRY_ACL_USER; break;
      case 0x04: entry.tag = ARCHIVE_ENTRY_ACL_GROUP_OBJ; break;
      case 0x08: entry.tag = ARCHIVE_ENTRY_ACL_GROUP; break;
      case 0x10: entry.tag = ARCHIVE_ENTRY_ACL_MASK; break;
      case 0x20: entry.tag = ARCHIVE_ENTRY_ACL_OTHER; break;
      default: return std::nullopt;
    }
    if (entry.tag == ARCHIVE_ENTRY_ACL_USER || entry.tag == ARCHIVE_ENTRY_ACL_GROUP)
      entry.id = static_cast<int>(number(at + 4, 4));
    entries.push_back(entry);
  }
  return entries;
}

/// libarchive writes the two numbers as they are, with a point between them: of times before 1970
/// they must be those of a decimal fraction.
void set_mtime(struct ::archive_entry* entry, std::int64_t s, std::uint32_t ns) {
  if (s < 0 && ns > 0) {
    // "-0.5" it cannot write: the last second of 1969 has no fractions.
    ns = s == -1 ? 0 : kNsPerSecond - ns;
    if (ns > 0) ++s;
  }
  ::archive_entry_set_mtime(entry, s, static_cast<long>(ns));
}

/// A name as it stands in a pax keyword, where '=' ends it: GNU tar's way.
std::string keyword_of(std::string_view name) {
  std::string keyword;
  for (const char c : name) {
    if (c == '%') {
      keyword += "%25";
    } else if (c == '=') {
      keyword += "%3D";
    } else {
      keyword += c;
    }
  }
  return keyword;
}

Sha256Digest digest_of(repo::Entry entry) {
  entry.clear_name();
  return sha256(bytes_of(entry.SerializeAsString()));
}

}  // namespace

struct TarStream::Impl {
  Impl(repo::ChunkReader& source, std::function<void(ByteView)> to)
      : reader(source), write(std::move(to)), archive(::archive_write_new()) {
    if (archive == nullptr) throw Error{ErrorCode::io, "out of memory"};
    try {
      require(::archive_write_set_format_pax(archive));
      require(::archive_write_set_options(archive, "pax:xattrheader=SCHILY"));
      require(::archive_write_set_bytes_per_block(archive, kBlockBytes));
      require(::archive_write_set_bytes_in_last_block(archive, kRecordBytes));
      require(::archive_write_open(archive, this, nullptr, &on_write, nullptr));
      entry = ::archive_entry_new();
      if (entry == nullptr) throw Error{ErrorCode::io, "out of memory"};
    } catch (...) {
      close();
      throw;
    }
  }
  ~Impl() { close(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void close() noexcept {
    is_over = true;
    ::archive_write_free(archive);  // would end the archive properly, but nobody listens any more
    ::archive_entry_free(entry);
    archive = nullptr;
    entry = nullptr;
  }

  /// Never fails towards libarchive 3.6, which leaks its buffer then: `require` tells.
  static la_ssize_t on_write(struct archive*, void* self, const void* bytes, std::size_t count) {
    Impl& impl = *static_cast<Impl*>(self);
    try {
      if (!impl.is_over) impl.write({static_cast<const std::byte*>(bytes), count});
    } catch (...) {
      impl.failure = std::current_exception();  // not through C code
      impl.is_over = true;
    }
    return static_cast<la_ssize_t>(count);
  }
  void require(int result) const {
    if (failure) std::rethrow_exception(failure);
    // A warning: a name that is not UTF-8 is written as it is.
    if (result >= ARCHIVE_WARN) return;
    const char* text = ::archive_error_string(archive);
    throw Error{ErrorCode::io, fmt::format("tar: {}", text == nullptr ? "failed" : text)};
  }

  void set_attributes(const repo::Entry& from);
  void set_xattrs(const repo::Entry& from);
  /// The pieces between holes, if there are holes.
  void set_sparse(const repo::Entry& from);
  bool set_link(const std::string& path, const repo::Entry& from);
  void write_content(const repo::Entry& from);
  void write_data(ByteView bytes);

  struct FirstName {
    Sha256Digest digest{};
    std::string path;
    std::uint32_t names_left = 0;  // 0: not known
  };

  repo::ChunkReader& reader;
  const std::function<void(ByteView)> write;
  struct ::archive* archive;
  struct ::archive_entry* entry = nullptr;
  std::exception_ptr failure;
  bool is_over = false;
  std::uint64_t content_bytes = 0;
  std::unordered_map<std::uint64_t, FirstName> first_names;  // by link group
};

void TarStream::Impl::set_attributes(const repo::Entry& from) {
  const mode_t type = repo::file_type_bits(from.type());
  ::archive_entry_set_mode(entry, type | from.mode());
  ::archive_entry_set_uid(entry, from.uid());
  ::archive_entry_set_gid(entry, from.gid());
  if (!from.user().empty()) ::archive_entry_set_uname(entry, from.user().c_str());
  if (!from.group().empty()) ::archive_entry_set_gname(entry, from.group().c_str());
  set_mtime(entry, from.mtime_s(), from.mtime_ns());
  if (from.type() == repo::EntryType::ENTRY_CHARACTER_DEVICE ||
      from.type() == repo::EntryType::ENTRY_BLOCK_DEVICE) {
    ::archive_entry_set_rdevmajor(entry, from.device_major());
    ::archive_entry_set_rdevminor(entry, from.device_minor());
  }
  if (from.type() == repo::EntryType::ENTRY_SYMLINK)
    ::archive_entry_set_symlink(entry, from.symlink_target().c_str());
}

void TarStream::Impl::set_xattrs(const repo::Entry& from) {
  for (const auto& xattr : from.xattrs()) {
    const Bytes value = repo::xattr_value(xattr, reader);
    const bool is_default = xattr.name() == "system.posix_acl_default";
    if (is_default || xattr.name() == "system.posix_acl_access") {
      if (const auto acl = parse_acl(value)) {
        const int type =
            is_default ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT : ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
        for (const AclEntry& each : *acl) {
          require(::archive_entry_acl_add_entry(entry, type, each.permissions, each.tag, each.id,
                                                nullptr));
        }
        continue;
      }
    }
    ::archive_entry_xattr_add_entry(entry, keyword_of(xattr.name()).c_str(), value.data(),
                                    value.size());
  }
}

void TarStream::Impl::set_sparse(const repo::Entry& from) {
  struct Piece {
    std::uint64_t start;
    std::uint64_t end;
  };
  std::vector<Piece> pieces;
  bool has_holes = false;
  repo::ExtentReader extents{reader, from};
  for (std::uint64_t at = 0; at < from.size() && pieces.size() <= kMaxSparsePieces;) {
    const auto located = extents.at(at);
    if (!located)
      throw Error{ErrorCode::corrupt, "the file's list of extents ends before the file"};
    const std::uint64_t end = located->start + located->extent.bytes;
    if (!located->extent.chunk) {
      has_holes = true;
    } else {
      const Piece piece{
          located->start / kTarBlockBytes * kTarBlockBytes,
          std::min((end - 1) / kTarBlockBytes * kTarBlockBytes + kTarBlockBytes, from.size())};
      if (!pieces.empty() && pieces.back().end >= piece.start) {
        pieces.back().end = piece.end;
      } else {
        pieces.push_back(piece);
      }
    }
    at = end;
  }
  if (!has_holes || pieces.size() > kMaxSparsePieces) return;
  for (const Piece& piece : pieces) {
    ::archive_entry_sparse_add_entry(entry, static_cast<la_int64_t>(piece.start),
                                     static_cast<la_int64_t>(piece.end - piece.start));
  }
  if (pieces.empty()) ::archive_entry_sparse_add_entry(entry, 0, 0);
}

bool TarStream::Impl::set_link(const std::string& path, const repo::Entry& from) {
  if (from.link_group() == 0 || from.type() == repo::EntryType::ENTRY_DIRECTORY) return false;
  const Sha256Digest digest = digest_of(from);
  const auto [place, is_new] = first_names.try_emplace(from.link_group());
  FirstName& first = place->second;
  if (is_new) {
    first = {digest, path, from.link_count() > 0 ? from.link_count() - 1 : 0};
    return false;
  }
  // Numbers may collide: then it is another file.
  if (first.digest != digest) return false;
  ::archive_entry_set_hardlink(entry, first.path.c_str());
  if (first.names_left > 0 && --first.names_left == 0) first_names.erase(place);
  return true;
}

void TarStream::Impl::write_data(ByteView bytes) {
  while (!bytes.empty()) {
    const la_ssize_t count = ::archive_write_data(archive, bytes.data(), bytes.size());
    if (count <= 0) {
      require(ARCHIVE_FATAL);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void TarStream::Impl::write_content(const repo::Entry& from) {
  static constexpr std::array<std::byte, kBlockBytes> kZeros{};
  repo::ContentReader content{reader, from};
  while (const auto piece = content.next()) {
    if (!piece->hole) write_data(piece->data);
    for (std::uint64_t left = piece->hole ? piece->bytes : 0; left > 0;) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, kZeros.size()));
      write_data(ByteView{kZeros}.first(count));
      left -= count;
    }
    content_bytes += piece->bytes;
  }
}

TarStream::TarStream(repo::ChunkReader& reader, std::function<void(ByteView)> write)
    : impl_(std::make_unique<Impl>(reader, std::move(write))) {}

TarStream::~TarStream() = default;

bool TarStream::add(const std::string& path, const repo::Entry& entry) {
  if (entry.type() == repo::EntryType::ENTRY_SOCKET) return false;
  const Utf8Locale locale;
  Impl& impl = *impl_;
  ::archive_entry_clear(impl.entry);
  ::archive_entry_set_pathname(impl.entry, path.c_str());
  impl.set_attributes(entry);
  const bool is_file = entry.type() == repo::EntryType::ENTRY_FILE;
  const bool is_link = impl.set_link(path, entry);
  if (!is_link) impl.set_xattrs(entry);
  const bool has_content = is_file && !is_link;
  ::archive_entry_set_size(impl.entry, has_content ? static_cast<la_int64_t>(entry.size()) : 0);
  if (has_content) impl.set_sparse(entry);
  impl.require(::archive_write_header(impl.archive, impl.entry));
  if (has_content) impl.write_content(entry);
  impl.require(::archive_write_finish_entry(impl.archive));
  return true;
}

void TarStream::finish() { impl_->require(::archive_write_close(impl_->archive)); }

std::uint64_t TarStream::content_bytes() const noexcept { return impl_->content_bytes; }

}  // namespace vgerfs::cli
