// Feature numbers: what an object asks of the client that uses it (docs/FORMAT.md section 13).
#pragma once

#include <string_view>

#include "base/error.h"
#include "format/common.pb.h"
#include "repo/certificate.h"

namespace vgerfs::repo {

/// What this client may do beside reading while it relies on an object.
struct Supported {
  bool add = true;
  bool maintain = true;
  friend bool operator==(const Supported&, const Supported&) = default;
  friend Supported operator&(const Supported& a, const Supported& b) noexcept {
    return {.add = a.add && b.add, .maintain = a.maintain && b.maintain};
  }
};

/// An object that cannot be read for want of a feature. What it asks for beside that counts all the
/// same.
class FeatureError : public Error {
 public:
  FeatureError(std::string_view what, std::uint32_t feature, Supported supported);
  const Supported& supported() const noexcept { return supported_; }

 private:
  Supported supported_;
};

/// Throws FeatureError (unsupported) if reading `what` needs a feature that this client does not
/// know. What an ingest author asks of those who add or maintain does not count: whoever stole its
/// key could lock out everybody.
Supported check_features(const format::proto::Features& features, std::string_view what,
                         Role author);

/// What an object that could not be read leaves to this client: all, unless a feature was the
/// reason.
Supported supported_despite(const Error& error) noexcept;

}  // namespace vgerfs::repo
