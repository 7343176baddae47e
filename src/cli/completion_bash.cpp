#include <fmt/format.h>

#include "cli/completion_model.h"

namespace vgerfs::cli {
namespace {

std::string candidates(CompletionValue value, const std::vector<std::string>& words) {
  switch (value) {
    case CompletionValue::file: return "_vgerfs_admin_paths -f";
    case CompletionValue::directory: return "_vgerfs_admin_paths -d";
    case CompletionValue::words:
      return fmt::format("_vgerfs_admin_words '{}'", fmt::join(words, " "));
    case CompletionValue::text:
    case CompletionValue::none: return ":";
  }
  return ":";
}

}  // namespace

std::string bash_completion(const CompletionCommand& program) {
  std::string valued;    // pattern: options that take a value, so that the next word is no command
  std::string values;    // case branches: what follows an option
  std::string commands;  // case branches: subcommands, options and argument of a command
  visit(program, [&](const CompletionCommand& command) {
    std::vector<std::string> options;
    for (const CompletionOption& option : command.options) {
      options.insert(options.end(), option.names.begin(), option.names.end());
      if (option.value == CompletionValue::none) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) {
        valued += (valued.empty() ? "" : " | ") + name;
        // The program's options count after every command.
        patterns.push_back(command.path.empty() ? fmt::format("*' {}'", name)
                                                : fmt::format("'{} {}'", command.path, name));
      }
      const std::string branch =
          fmt::format("    {}) {} && return ;;\n", fmt::join(patterns, " | "),
                      candidates(option.value, option.words));
      // A command's own option of the same name comes first.
      values = command.path.empty() ? values + branch : branch + values;
    }
    std::vector<std::string> children;
    for (const CompletionCommand& child : command.children) children.push_back(child.name);
    commands += fmt::format(
        "    '{}')\n      words='{}'\n      options='{}'\n      argument=\"{}\"\n      ;;\n",
        command.path, fmt::join(children, " "), fmt::join(options, " "),
        candidates(command.argument, command.argument_words));
  });
  std::vector<std::string> global;
  for (const CompletionOption& option : program.options)
    global.insert(global.end(), option.names.begin(), option.names.end());

  std::string script =
      "# bash completion of vgerfs-admin, made by `vgerfs-admin completion bash`\n\n";
  script +=
      "_vgerfs_admin_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- "
      "\"${COMP_WORDS[COMP_CWORD]}\"); }\n";
  script +=
      "_vgerfs_admin_paths() {\n"
      "  mapfile -t COMPREPLY < <(compgen \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
      "  compopt -o filenames 2>/dev/null\n  return 0\n}\n\n";
  script +=
      "# Sets words, options and argument of the command whose words are "
      "$1.\n_vgerfs_admin_command() {\n  case $1 in\n" +
      commands + "  esac\n}\n\n";
  script +=
      "_vgerfs_admin() {\n  local path='' words='' options='' argument='' word i\n  COMPREPLY=()\n"
      "  _vgerfs_admin_command ''\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n    word=${COMP_WORDS[i]}\n    case $word in\n   "
      " " +
      valued +
      ") ((i++)) ;;\n    -*) ;;\n    *)\n      if [[ \" $words \" == *\" $word \"* ]]; then\n"
      "        path=${path:+$path }$word\n        _vgerfs_admin_command \"$path\"\n      fi\n      "
      ";;\n    esac\n  done\n";
  script += "  case \"$path ${COMP_WORDS[COMP_CWORD - 1]}\" in\n" + values + "  esac\n";
  script += fmt::format(
      "  if [[ ${{COMP_WORDS[COMP_CWORD]}} == -* ]]; then\n    _vgerfs_admin_words \"$options "
      "{}\"\n"
      "  elif [[ -n $words ]]; then\n    _vgerfs_admin_words \"$words\"\n  else\n    eval "
      "\"$argument\"\n  fi\n}}\n\n"
      "complete -F _vgerfs_admin vgerfs-admin\n",
      fmt::join(global, " "));
  return script;
}

}  // namespace vgerfs::cli
