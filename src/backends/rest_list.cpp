#include "backends/rest_list.h"

#include <charconv>
#include <utility>

#include "base/error.h"

namespace vgerfs::backends {
namespace {

constexpr std::size_t kMaxTokenBytes = 512;
/// Fewer than any memory is short of, more than any repository has.
constexpr std::size_t kMaxEntries = 100'000'000;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

void RestListParser::refuse() const {
  throw Error{ErrorCode::unavailable, "what the server sent is no list of objects"};
}

void RestListParser::feed(ByteView piece) {
  for (const char c : text_of(piece)) step(c);
}

std::vector<RestListEntry> RestListParser::finish() {
  if (token_ == Token::word) end_word();  // "null"
  if (state_ != State::end) refuse();
  return std::move(entries_);
}

void RestListParser::step(char c) {
  if (token_ == Token::text) {
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (c == '\\') {
      is_escaped_ = is_odd_ = true;
    } else if (c == '"') {
      return end_text();
    } else {
      text_ += c;
    }
    if (text_.size() > kMaxTokenBytes) refuse();
    return;
  }
  const bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' ||
                       c == '.' || c == 'E';
  if (token_ == Token::word) {
    if (is_word) {
      text_ += c;
      if (text_.size() > kMaxTokenBytes) refuse();
      return;
    }
    end_word();
  }
  if (is_space(c)) return;
  if (c == '"' && (state_ == State::item_or_end || state_ == State::item ||
                   state_ == State::key_or_end || state_ == State::key || state_ == State::value)) {
    token_ = Token::text;
    is_odd_ = false;
    text_.clear();
    return;
  }
  if (is_word && (state_ == State::start || state_ == State::value)) {
    token_ = Token::word;
    text_.assign(1, c);
    return;
  }
  switch (state_) {
    case State::start:
      if (c != '[') refuse();
      state_ = State::item_or_end;
      return;
    case State::item_or_end:
    case State::item:
      if (c == '{') {
        state_ = State::key_or_end;
      } else if (c == ']' && state_ == State::item_or_end) {
        state_ = State::end;
      } else {
        refuse();
      }
      return;
    case State::after_item:
      if (c != ',' && c != ']') refuse();
      state_ = c == ',' ? State::item : State::end;
      return;
    case State::key_or_end:
      if (c != '}') refuse();
      return end_item();
    case State::colon:
      if (c != ':') refuse();
      state_ = State::value;
      return;
    case State::after_value:
      if (c == '}') return end_item();
      if (c != ',') refuse();
      state_ = State::key;
      return;
    case State::key:
    case State::value:
    case State::end: refuse();
  }
}

void RestListParser::end_text() {
  token_ = Token::none;
  if (is_odd_) text_.clear();
  if (state_ == State::value) {
    if (key_ == "name") name_ = std::exchange(text_, {});
    state_ = State::after_value;
  } else if (state_ == State::key || state_ == State::key_or_end) {
    key_ = std::exchange(text_, {});
    state_ = State::colon;
  } else {
    name_ = std::exchange(text_, {});
    end_item();
  }
}

void RestListParser::end_word() {
  token_ = Token::none;
  if (state_ == State::start) {
    if (text_ != "null") refuse();  // an empty list of some servers
    state_ = State::end;
    return;
  }
  if (key_ == "size") {
    bytes_ = parse_number<std::uint64_t>(text_);
    if (!bytes_) refuse();
  } else if (key_ == "stored_at_ns") {
    stored_at_ns_ = parse_number<std::int64_t>(text_);
    if (!stored_at_ns_) refuse();
  }
  state_ = State::after_value;
}

void RestListParser::end_item() {
  state_ = State::after_item;
  if (const auto id = ObjectId::parse(name_)) {
    if (entries_.size() >= kMaxEntries) refuse();
    entries_.push_back({*id, bytes_, stored_at_ns_});
  }
  name_.clear();
  bytes_.reset();
  stored_at_ns_.reset();
}

}  // namespace vgerfs::backends
