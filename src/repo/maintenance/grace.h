// How long maintenance waits before what it condemned or what was removed is deleted.
#pragma once

#include <cstdint>

namespace vgerfs::repo {

inline constexpr std::int64_t kDefaultGrace_s = 24 * 60 * 60;
/// Sessions count on at least this (session.cpp).
inline constexpr std::int64_t kMinGrace_s = 60 * 60;
/// The clocks of clients and of the store may differ by so much.
inline constexpr std::int64_t kMaxClockSkew_s = 10 * 60;

}  // namespace vgerfs::repo
