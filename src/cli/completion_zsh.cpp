#include <fmt/format.h>

#include "cli/completion_model.h"

namespace vgerfs::cli {
namespace {

/// For use inside single quotes and inside the [ ] and : of _arguments.
std::string zsh_quoted(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
      continue;
    }
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string action(CompletionValue value, const std::vector<std::string>& words) {
  switch (value) {
    case CompletionValue::none: return "";
    case CompletionValue::text: return ":value: ";
    case CompletionValue::file: return ":file:_files";
    case CompletionValue::directory: return ":directory:_files -/";
    case CompletionValue::words: return fmt::format(":value:({})", fmt::join(words, " "));
  }
  return "";
}

std::string function_name(const CompletionCommand& command) {
  std::string name = "_vgerfs_admin" + (command.path.empty() ? "" : '_' + command.path);
  for (char& c : name) {
    if (c == ' ' || c == '-') c = '_';
  }
  return name;
}

/// One function per command; a command with subcommands hands over to theirs.
std::string function(const CompletionCommand& command) {
  std::string text = fmt::format("{}() {{\n  local -a options=(\n", function_name(command));
  for (const CompletionOption& option : command.options) {
    for (const std::string& name : option.names) {
      text += fmt::format("    '*{}[{}]{}'\n", name, zsh_quoted(option.help),
                          action(option.value, option.words));
    }
  }
  text += "  )\n";
  text += command.path.empty() ? "  local -a global=(\"${options[@]}\")\n"
                               : "  options+=(\"${global[@]}\")\n";
  if (command.children.empty()) {
    const std::string argument = action(command.argument, command.argument_words);
    return text + fmt::format("  _arguments -s \"${{options[@]}}\" '*:{}'\n}}\n",
                              argument.empty() ? "argument: " : argument.substr(1));
  }
  text +=
      "  local context state line\n  typeset -A opt_args\n"
      "  _arguments -s -C \"${options[@]}\" '1:command:->command' '*::argument:->rest'\n"
      "  case $state in\n    command)\n      local -a commands=(\n";
  for (const CompletionCommand& child : command.children) {
    text += fmt::format("        '{}:{}'\n", child.name, zsh_quoted(child.help));
  }
  text +=
      "      )\n      _describe command commands\n      ;;\n    rest)\n      case $line[1] in\n";
  for (const CompletionCommand& child : command.children) {
    text += fmt::format("        {}) {} ;;\n", child.name, function_name(child));
  }
  return text + "      esac\n      ;;\n  esac\n}\n";
}

}  // namespace

std::string zsh_completion(const CompletionCommand& program) {
  std::string script = "#compdef vgerfs-admin\n# Made by `vgerfs-admin completion zsh`.\n";
  visit(program, [&](const CompletionCommand& command) { script += '\n' + function(command); });
  return script + "\n_vgerfs_admin \"$@\"\n";
}

}  // namespace vgerfs::cli
