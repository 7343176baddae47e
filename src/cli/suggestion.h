// "Did you mean …?" for mistyped names.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vgerfs::cli {

/// The known name that `given` was probably meant to be: at most a third of its letters differ.
/// nullopt if none is near.
std::optional<std::string_view> nearest(std::string_view given,
                                        std::span<const std::string_view> known);

/// `did you mean "x"?`, or an empty string.
std::string suggestion(std::string_view given, std::span<const std::string_view> known);

}  // namespace vgerfs::cli
