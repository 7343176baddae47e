// A session as the contents of files see it: chunks go into the repository, and what would not read
// back goes into the spool as well.
#pragma once

#include "fs/ingest_content.h"
#include "fs/ingest_context.h"
#include "repo/session.h"

namespace vgerfs::fs {

class IngestSource;

/// For use inside the source's gate.
class SessionPort final : public ContentPort {
 public:
  explicit SessionPort(IngestSource& source);

  Segment put(ByteView bytes) override;
  std::shared_ptr<const repo::SpoolRecord> spool(ByteView bytes) override {
    return context_.spool.append(bytes);
  }
  const repo::Chunker& chunker() const override { return context_.chunker; }
  Epoch epoch() const override { return epoch_; }

 private:
  template <class Put>
  repo::PutResult with_retry(Put put);

  IngestSource& source_;
  IngestContext& context_;
  repo::Session& session_;
  const Epoch epoch_;
};

}  // namespace vgerfs::fs
