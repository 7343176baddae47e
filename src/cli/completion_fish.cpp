#include <fmt/format.h>

#include "cli/completion_model.h"

namespace vgerfs::cli {
namespace {

std::string fish_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + '\'';
}

/// True once all words of a command were typed, but not for `key list` when it asks for `list`.
std::string seen(const CompletionCommand& command, const CompletionCommand& program) {
  std::string condition;
  std::string word;
  for (const char c : command.path + ' ') {
    if (c != ' ') {
      word += c;
      continue;
    }
    condition +=
        (condition.empty() ? "" : "; and ") + fmt::format("__fish_seen_subcommand_from {}", word);
    word.clear();
  }
  if (command.path.empty()) return "";
  for (const CompletionCommand& other : program.children) {
    for (const CompletionCommand& child : other.children) {
      if (child.name == command.path)
        condition += fmt::format("; and not __fish_seen_subcommand_from {}", other.name);
    }
  }
  return condition;
}

std::string value_of(CompletionValue value, const std::vector<std::string>& words) {
  switch (value) {
    case CompletionValue::none: return "";
    case CompletionValue::text: return " -x";
    case CompletionValue::file: return " -r -F";
    case CompletionValue::directory: return " -x -a '(__fish_complete_directories)'";
    case CompletionValue::words:
      return fmt::format(" -x -a {}", fish_quoted(fmt::format("{}", fmt::join(words, " "))));
  }
  return "";
}

}  // namespace

std::string fish_completion(const CompletionCommand& program) {
  constexpr const char* kComplete = "complete -c vgerfs-admin";
  std::string script = fmt::format("# Made by `vgerfs-admin completion fish`.\n{} -f\n", kComplete);
  visit(program, [&](const CompletionCommand& command) {
    const std::string condition = seen(command, program);
    const std::string when = condition.empty() ? "" : fmt::format(" -n {}", fish_quoted(condition));
    std::vector<std::string> names;
    for (const CompletionCommand& child : command.children) names.push_back(child.name);
    const std::string choose = condition.empty()
                                   ? "__fish_use_subcommand"
                                   : fmt::format("{}; and not __fish_seen_subcommand_from {}",
                                                 condition, fmt::join(names, " "));
    script += '\n';
    for (const CompletionCommand& child : command.children) {
      script += fmt::format("{} -n {} -a {} -d {}\n", kComplete, fish_quoted(choose), child.name,
                            fish_quoted(child.help));
    }
    for (const CompletionOption& option : command.options) {
      script += kComplete + when;
      for (const std::string& name : option.names) {
        script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      script +=
          fmt::format(" -d {}{}\n", fish_quoted(option.help), value_of(option.value, option.words));
    }
    switch (command.argument) {
      case CompletionValue::file: script += fmt::format("{}{} -F\n", kComplete, when); break;
      case CompletionValue::directory:
        script += fmt::format("{}{} -a '(__fish_complete_directories)'\n", kComplete, when);
        break;
      case CompletionValue::words:
        script +=
            fmt::format("{}{} -a {}\n", kComplete, when,
                        fish_quoted(fmt::format("{}", fmt::join(command.argument_words, " "))));
        break;
      case CompletionValue::none:
      case CompletionValue::text: break;
    }
  });
  return script;
}

}  // namespace vgerfs::cli
