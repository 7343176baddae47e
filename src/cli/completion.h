// Completion scripts for shells, made from the command table: contrib/completions holds their
// output.
#pragma once

#include <string>
#include <string_view>

namespace vgerfs::cli {

/// For "bash", "zsh" or "fish". Throws Error{usage} for others.
std::string completion_script(std::string_view shell);

}  // namespace vgerfs::cli
