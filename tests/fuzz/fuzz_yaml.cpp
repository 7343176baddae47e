// The configuration file. What it says of a problem has a place in the text.
#include <string>

#include "cli/configuration.h"
#include "fuzz_support.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vgerfs;
  cli::Io io;
  io.environment = [](const std::string& name) {
    return name == "HOME" ? std::optional<std::string>{"/home/ann"} : std::nullopt;
  };
  const std::string text{reinterpret_cast<const char*>(data), size};
  const cli::ParsedConfiguration parsed =
      cli::parse_configuration(text, "/etc/vgerfs/config.yaml", io);
  for (const auto& problem : parsed.problems) {
    VGERFS_CHECK(problem.line > 0 && problem.column > 0 && !problem.message.empty());
  }
  return 0;
}
