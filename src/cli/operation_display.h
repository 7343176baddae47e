// Shows how far a long operation of the core is, and which files failed.
#pragma once

#include <string>

#include "cli/output.h"
#include "cli/progress.h"
#include "repo/operation_progress.h"

namespace vgerfs::cli {

/// A line of progress on a terminal; a warning per file that failed.
class OperationDisplay final : public repo::OperationProgress {
 public:
  OperationDisplay(std::string activity, Output& output, const Io& io)
      : output_(output), progress_(std::move(activity), "file", output, io) {}

  void update(const repo::OperationCounts& counts, std::string_view current) override;
  void failed(const repo::FileFailure& failure) override;

 private:
  Output& output_;
  Progress progress_;
};

/// The failures of an operation for --json: an array of at most those that it remembered.
Json failures_json(const repo::FileFailures& failures);

}  // namespace vgerfs::cli
