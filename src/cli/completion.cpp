#include "cli/completion.h"

#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/admin.h"
#include "cli/completion_model.h"

namespace vgerfs::cli {
namespace {

/// CLI11 shows a set of allowed words as "NAME:{a,b}".
std::vector<std::string> words_in(const std::string& type) {
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

CompletionValue value_of(const CLI::Option& option, const std::string& type) {
  if (option.get_items_expected_max() == 0) return CompletionValue::none;
  if (!words_in(type).empty()) return CompletionValue::words;
  const std::string kind = type.substr(0, type.find_first_of(":. "));
  if (kind == "FILE" || kind == "PATH" || kind == "TARGET") return CompletionValue::file;
  if (kind == "DIR" || kind == "REPO" || kind == "MOUNTPOINT") return CompletionValue::directory;
  return CompletionValue::text;
}

CompletionCommand describe(const CLI::App& app, std::string path) {
  CompletionCommand command{std::move(path), app.get_name(), app.get_description(), {}, {}, {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    const bool is_argument = option->get_positional() && !option->nonpositional();
    // An argument is shown by its name alone; that says its type as well.
    const std::string type = is_argument ? option->get_name(true) : option->get_type_name();
    const CompletionValue value = value_of(*option, type);
    if (is_argument) {
      // Of several arguments the last one that can be completed counts: `restore SNAPSHOT TARGET`.
      if (value != CompletionValue::text) command.argument = value;
      if (value == CompletionValue::words) command.argument_words = words_in(type);
      continue;
    }
    CompletionOption entry{{}, option->get_description(), value, words_in(type)};
    for (const std::string& name : option->get_lnames()) entry.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) entry.names.push_back("-" + name);
    command.options.push_back(std::move(entry));
  }
  const auto visible =
      app.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
  for (const CLI::App* sub : visible) {
    const std::string& name = sub->get_name();
    command.children.push_back(
        describe(*sub, command.path.empty() ? name : command.path + ' ' + name));
  }
  return command;
}

}  // namespace

void visit(const CompletionCommand& command,
           const std::function<void(const CompletionCommand&)>& each) {
  each(command);
  for (const CompletionCommand& child : command.children) visit(child, each);
}

std::string completion_script(std::string_view shell) {
  CLI::App app{"", "vgerfs-admin"};
  GlobalOptions options;
  const auto chosen = declare(app, options);
  const CompletionCommand program = describe(app, "");
  if (shell == "bash") return bash_completion(program);
  if (shell == "zsh") return zsh_completion(program);
  if (shell == "fish") return fish_completion(program);
  throw Error{ErrorCode::usage, fmt::format("no completion for the shell \"{}\"", shell),
              "bash, zsh or fish"};
}

}  // namespace vgerfs::cli
