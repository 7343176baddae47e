// Lists of objects as REST servers send them, read as they arrive: names alone (version 1 of the
// protocol), names with sizes (version 2), and with times (vgerfs-server).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace vgerfs::backends {

struct RestListEntry {
  ObjectId id;
  std::optional<std::uint64_t> bytes;
  std::optional<std::int64_t> stored_at_ns;  ///< since 1970, by the server's clock
};

/// One listing. Names that are none of ours are skipped. One thread.
class RestListParser {
 public:
  /// Throws Error{unavailable} for what is no list: some proxy's page, for instance.
  void feed(ByteView piece);
  /// All entries, once the list is whole; throws Error{unavailable} before.
  std::vector<RestListEntry> finish();

 private:
  enum class State {
    start,
    item_or_end,
    item,
    after_item,
    key_or_end,
    key,
    colon,
    value,
    after_value,
    end
  };
  enum class Token { none, text, word };

  void step(char c);
  void end_text();
  void end_word();
  void end_item();
  [[noreturn]] void refuse() const;

  State state_ = State::start;
  Token token_ = Token::none;
  bool is_escaped_ = false;  ///< the character after a backslash
  bool is_odd_ = false;      ///< the text had one, which no name of ours has
  std::string text_;
  std::string key_;
  std::string name_;
  std::optional<std::uint64_t> bytes_;
  std::optional<std::int64_t> stored_at_ns_;
  std::vector<RestListEntry> entries_;
};

}  // namespace vgerfs::backends
