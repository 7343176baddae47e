// What commands print. Results go to standard output, all else to standard error; with --json
// standard output carries exactly one JSON document and errors are JSON objects.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "cli/exit_code.h"
#include "cli/io.h"

namespace vgerfs::cli {

using Json = nlohmann::ordered_json;

struct OutputOptions {
  bool json = false;
  bool quiet = false;
  int verbose = 0;  ///< how often -v was given
};

/// Rows under headings, columns aligned.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string heading;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// One cell per column.
  void add(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// One run's output. Standard output is buffered: whoever ends the run calls `flush`. One thread at
/// a time.
class Output {
 public:
  Output(std::string program, OutputOptions options, const Io& io)
      : program_(std::move(program)), options_(options), io_(io) {}

  const OutputOptions& options() const { return options_; }
  void set_options(const OutputOptions& options) { options_ = options; }

  /// A line of a result for people: dropped with --json and --quiet.
  void line(std::string_view text);
  /// A result that is asked for by the command itself (list, ls, dump…): dropped with --json only.
  void result(std::string_view text);
  /// The document of --json; dropped without it.
  void json(const Json& document);
  /// Writes what is buffered. Throws Error.
  void flush();
  /// A part of the document of --json.
  void json_part(std::string_view text);
  /// Something that the user should know though it worked: "vgerfs-admin: warning: …", or
  /// {"warning": …} with --json. Also with --quiet.
  void warning(std::string_view text);
  /// "vgerfs-admin: …" and "hint: …", or {"error": {code, message, hint, exit_code}} with --json.
  void error(const Error& error, ExitCode exit_code);

 private:
  std::string program_;
  void buffer(std::string_view text);

  OutputOptions options_;
  const Io& io_;
  std::string buffered_;
};

/// The document of --json as an array of any length: elements are written as they come. Does
/// nothing without --json.
class JsonArray {
 public:
  explicit JsonArray(Output& output) : output_(output) {}
  void add(const Json& element);
  /// Without it the document is not complete, as it should be after an error.
  void finish();

 private:
  Output& output_;
  bool begun_ = false;
};

/// `text` with control characters written as \n, \t or \x1b, so that a name cannot steer a terminal
/// or fake a line.
std::string printable(std::string_view text);

/// Sets `object[key]` to a byte string that is a name or path. JSON is UTF-8: other bytes become
/// U+FFFD there, and
/// `<key>_hex` then holds them exactly.
void set_bytes(Json& object, const std::string& key, std::string_view bytes);

/// {code, message, hint, exit_code}.
Json error_json(const Error& error, ExitCode exit_code);

/// One line of JSON with a newline; never throws for bytes that are not UTF-8.
std::string to_line(const Json& document);

}  // namespace vgerfs::cli
