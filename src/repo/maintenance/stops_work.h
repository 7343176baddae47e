// Which errors say something of an object, and which of the store, the user or this program.
#pragma once

#include <stop_token>

#include "base/error.h"

namespace vgerfs::repo {

/// A fault of the store as a whole, or the wish to stop: it says nothing of the object at hand.
bool stops_work(ErrorCode code) noexcept;

/// Throws interrupted once a stop is requested.
void throw_if_stopped(const std::stop_token& stop);

}  // namespace vgerfs::repo
