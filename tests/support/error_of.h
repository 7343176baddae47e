// The error that a piece of code ends with, for one-line expectations.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vgerfs::testing {

/// Name of the Error's code ("corrupt"), or "none" if nothing was thrown. Other exceptions pass.
///
///   EXPECT_EQ(error_of([&] { parse_config(bytes); }), "corrupt");
template <class Code>
std::string_view error_of(Code&& code) {
  try {
    static_cast<void>(std::forward<Code>(code)());
  } catch (const Error& error) {
    return to_string(error.code());
  }
  return "none";
}

/// The Error itself; one of code `interrupted` without a message if nothing was thrown.
template <class Code>
Error thrown_by(Code&& code) {
  try {
    static_cast<void>(std::forward<Code>(code)());
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error{ErrorCode::interrupted, {}};
}

/// Its code, likewise.
template <class Code>
ErrorCode code_of(Code&& code) {
  return thrown_by(std::forward<Code>(code)).code();
}

}  // namespace vgerfs::testing
