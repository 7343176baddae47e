#include "cli/output.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace vgerfs::cli {
namespace {

/// Number of bytes of the UTF-8 character at the start of `text`; 0 if there is none (RFC 3629,
/// section 4).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned char low = 0x80, unsigned char high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    // No overlong forms, no surrogates.
    const unsigned char low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = first == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned char low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

/// Columns that a text takes: its characters, near enough for tables.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  VGERFS_CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<std::string> headings;
  for (const Column& column : columns_) {
    headings.push_back(column.heading);
    widths.push_back(width(column.heading));
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  const auto append_row = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - width(cells[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i].align == Align::left ? cells[i] + padding : padding + cells[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  append_row(headings);
  for (const auto& row : rows_) append_row(row);
  return text;
}

void Output::line(std::string_view text) {
  if (options_.json || options_.quiet) return;
  buffer(fmt::format("{}\n", text));
  flush();
}

void Output::result(std::string_view text) {
  if (!options_.json) buffer(text);
}

void Output::json(const Json& document) { json_part(to_line(document)); }

void Output::json_part(std::string_view text) {
  if (options_.json) buffer(text);
}

void Output::buffer(std::string_view text) {
  constexpr std::size_t kFlushBytes = 64 * 1024;
  buffered_ += text;
  if (buffered_.size() >= kFlushBytes) flush();
}

void Output::flush() {
  // Taken out first: what could not be written is not tried again while that error is reported.
  const std::string text = std::exchange(buffered_, {});
  print(io_.out, text);
}

void JsonArray::add(const Json& element) {
  output_.json_part(begun_ ? ",\n" : "[");
  begun_ = true;
  std::string text = to_line(element);
  text.pop_back();
  output_.json_part(text);
}

void JsonArray::finish() { output_.json_part(begun_ ? "]\n" : "[]\n"); }

void Output::warning(std::string_view text) {
  flush();
  if (options_.json) {
    print(io_.err, to_line(Json{{"warning", std::string{text}}}));
  } else {
    print(io_.err, fmt::format("{}: warning: {}\n", program_, printable(text)));
  }
}

Json error_json(const Error& error, ExitCode exit_code) {
  return {{"code", to_string(error.code())},
          {"message", error.message()},
          {"hint", error.hint()},
          {"exit_code", static_cast<int>(exit_code)}};
}

void Output::error(const Error& error, ExitCode exit_code) {
  if (options_.json) {
    print(io_.err, to_line(Json{{"error", error_json(error, exit_code)}}));
    return;
  }
  std::string text = fmt::format("{}: {}\n", program_, printable(error.message()));
  if (!error.hint().empty()) text += fmt::format("hint: {}\n", printable(error.hint()));
  print(io_.err, text);
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const unsigned char first = static_cast<unsigned char>(text[0]);
    // U+0080 … U+009F are control characters too.
    const bool control =
        first < 0x20 || first == 0x7F ||
        (first == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0);
    if (first == '\n') {
      result += "\\n";
    } else if (first == '\t') {
      result += "\\t";
    } else if (length == 0 || control) {
      for (std::size_t i = 0; i < std::max<std::size_t>(length, 1); ++i) {
        result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
      }
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

void set_bytes(Json& object, const std::string& key, std::string_view bytes) {
  object[key] = std::string{bytes};
  if (!is_utf8(bytes)) object[key + "_hex"] = to_hex(bytes_of(bytes));
}

std::string to_line(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace vgerfs::cli
