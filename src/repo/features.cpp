#include "repo/features.h"

namespace vgerfs::repo {

FeatureError::FeatureError(std::string_view what, std::uint32_t feature, Supported supported)
    : Error(ErrorCode::unsupported,
            fmt::format("{} needs feature {} of a newer program", what, feature), "update vgerfs"),
      supported_(supported) {}

Supported check_features(const format::proto::Features& features, std::string_view what,
                         Role author) {
  // Version 1 defines no feature: every number is one that we do not know.
  const Supported supported{.add = author != Role::full || features.add().empty(),
                            .maintain = author != Role::full || features.maintain().empty()};
  if (!features.read().empty()) throw FeatureError{what, features.read(0), supported};
  return supported;
}

Supported supported_despite(const Error& error) noexcept {
  const auto* feature = dynamic_cast<const FeatureError*>(&error);
  return feature != nullptr ? feature->supported() : Supported{};
}

}  // namespace vgerfs::repo
