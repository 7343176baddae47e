// The command table as shells need it to complete words.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace vgerfs::cli {

/// What follows an option, or a command as its argument.
enum class CompletionValue { none, text, file, directory, words };

struct CompletionOption {
  std::vector<std::string> names;  ///< with dashes, long ones first
  std::string help;
  CompletionValue value = CompletionValue::none;
  std::vector<std::string> words;  ///< for CompletionValue::words
};

struct CompletionCommand {
  std::string path;  ///< "key add"; empty for the program itself
  std::string name;
  std::string help;
  std::vector<CompletionOption> options;  ///< the program's own count everywhere
  CompletionValue argument = CompletionValue::none;
  std::vector<std::string> argument_words;
  std::vector<CompletionCommand> children;
};

/// Calls `each` with a command and all below it.
void visit(const CompletionCommand& command,
           const std::function<void(const CompletionCommand&)>& each);

std::string bash_completion(const CompletionCommand& program);
std::string zsh_completion(const CompletionCommand& program);
std::string fish_completion(const CompletionCommand& program);

}  // namespace vgerfs::cli
