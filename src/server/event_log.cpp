#include "server/event_log.h"

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): getenv
#include <unistd.h>

#include <fmt/format.h>

namespace vgerfs::server {
namespace {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
  }
  return "error";
}

/// journald's prefix for the severity (sd-daemon(3)).
std::string_view journal_prefix(Severity severity) {
  switch (severity) {
    case Severity::info: return "<6>";
    case Severity::warning: return "<4>";
    case Severity::error: return "<3>";
  }
  return "<3>";
}

bool is_plain(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._:-+?@[]";
  return !text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos;
}

struct AppendValue {
  std::string& line;
  bool always_quote;

  void operator()(std::string_view text) const {
    if (!always_quote && is_plain(text)) {
      line += text;
    } else {
      line += json_string(text);
    }
  }
  void operator()(std::int64_t number) const { line += std::to_string(number); }
  void operator()(std::uint64_t number) const { line += std::to_string(number); }
  void operator()(double number) const { line += fmt::format("{:.6f}", number); }
};

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += letter;
    }
  }
  return out + '"';
}

void EventLog::write(Severity severity, std::string_view event,
                     std::initializer_list<EventField> fields) const {
  std::string line;
  if (format_ == LogFormat::json_lines) {
    line = fmt::format(R"({{"time":"{}","level":"{}","event":"{}")", iso_time(clock_.now()),
                       name_of(severity), event);
    for (const EventField& field : fields) {
      line += fmt::format(",\"{}\":", field.name);
      std::visit(AppendValue{line, true}, field.value);
    }
    line += "}\n";
  } else {
    // The journal has its own clock and takes the severity from the prefix.
    static const bool in_journal = ::getenv("JOURNAL_STREAM") != nullptr;
    line = in_journal ? fmt::format("{}{}", journal_prefix(severity), event)
                      : fmt::format("{} {:7} {}", iso_time(clock_.now()), name_of(severity), event);
    for (const EventField& field : fields) {
      line += fmt::format(" {}=", field.name);
      std::visit(AppendValue{line, false}, field.value);
    }
    line += '\n';
  }
  // A log that cannot be written must not stop the server.
  static_cast<void>(!::write(fd_, line.data(), line.size()));
}

}  // namespace vgerfs::server
