// The text of `vgerfs-admin config example`. It is a valid configuration: a test checks it.
#pragma once

namespace vgerfs::cli {

extern const char* const kConfigurationExample;

}  // namespace vgerfs::cli
