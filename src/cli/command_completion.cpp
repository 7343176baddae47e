// completion bash|zsh|fish: what contrib/completions holds, made from the command table.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/completion.h"

namespace vgerfs::cli {
namespace {

struct CompletionOptions {
  std::string shell;
};

ExitCode print_completion(Context& context, const CompletionOptions& options) {
  context.output.result(completion_script(options.shell));
  return ExitCode::ok;
}

}  // namespace

Run add_completion(CLI::App& app) {
  auto options = std::make_shared<CompletionOptions>();
  app.add_option("SHELL", options->shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [options](Context& context) { return print_completion(context, *options); };
}

}  // namespace vgerfs::cli
