// A version that does not know a feature leaves alone what needs it, and goes on with the rest.
#include "repo/required_features.h"

#include <functional>
#include <utility>

#include <gtest/gtest.h>

#include "format/config.pb.h"
#include "format/index.pb.h"
#include "format/lease.pb.h"
#include "format/snapshot.pb.h"
#include "repo/forge.h"
#include "repo/leases.h"
#include "repo/maintenance/exclusive_lease.h"
#include "repo/session.h"
#include "repository_fixture.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::error_of;
using testing::ManualClock;
using testing::MemoryBackend;
using testing::MemoryStore;
using testing::plain_root;
using testing::TestRepository;
namespace proto = format::proto;

using Features = std::function<void(proto::Features&)>;
const Features kAdd = [](proto::Features& features) { features.add_add(7); };
const Features kMaintain = [](proto::Features& features) { features.add_maintain(7); };
const Features kRead = [](proto::Features& features) { features.add_read(7); };
const Features kReadAndAdd = [](proto::Features& features) {
  features.add_read(7);
  features.add_add(8);
};

class RequiredFeatures : public ::testing::Test {
 protected:
  RequiredFeatures() {
    test_.add_ingest_slot("host");
    full_ = test_.open(TestRepository::full_key(), "full");
    ingest_ = test_.open(TestRepository::ingest_key(), "ingest");
  }

  /// What a newer program of that author writes.
  format::ObjectName put_snapshot(const Repository& author, const Features& features) {
    const auto data_key = author.keyring().make_data_key(crypto::system_random());
    proto::Snapshot message;
    *message.mutable_author() = author.keyring().signed_certificate();
    message.set_kind(kTreeSnapshot);
    message.set_host("host");
    message.set_source("home");
    *message.mutable_root() = plain_root();
    message.set_session(std::string(16, 's'));
    features(*message.mutable_features());
    return put(ObjectType::snapshot,
               forge(EnvelopeKind::snapshot, message, author.keyring(), data_key.get()));
  }
  format::ObjectName put_lease(const Repository& author, const Features& features) {
    proto::Lease message;
    *message.mutable_author() = author.keyring().signed_certificate();
    message.set_kind(proto::LEASE_SHARED);
    message.set_session(std::string(16, 'l'));
    message.set_ttl_s(3600);
    features(*message.mutable_features());
    return put(ObjectType::lock, forge(EnvelopeKind::lease, message, author.keyring()));
  }
  format::ObjectName put_record(const Repository& author, const Features& features) {
    proto::IndexRecord message;
    *message.mutable_author() = author.keyring().signed_certificate();
    message.set_session(std::string(16, 'r'));
    message.set_domain(1);
    features(*message.mutable_features());
    return put(ObjectType::index, forge(EnvelopeKind::index_record, message, author.keyring()));
  }
  format::ObjectName put(ObjectType type, const Bytes& stored) {
    MemoryBackend backend{test_.shared_store()};
    const format::ObjectName name = backends::write_object(backend, type, stored);
    backend.barrier();
    return name;
  }

  /// As an error's name; "none" if it may.
  static std::string_view add(Repository& repository) {
    return error_of([&] {
      Session{repository, {.host = "host", .source = "home", .checkpoint_interval_s = 0}};
    });
  }
  static std::string_view maintain(Repository& repository) {
    return error_of([&] { ExclusiveLease::acquire(repository); });
  }

  ManualClock clock_;
  TestRepository test_{std::make_shared<MemoryStore>(&clock_), clock_};
  std::unique_ptr<Repository> full_;
  std::unique_ptr<Repository> ingest_;
};

TEST_F(RequiredFeatures, NothingIsRefusedWithoutAny) {
  EXPECT_EQ(add(*full_), "none");
  EXPECT_EQ(add(*ingest_), "none");
  EXPECT_EQ(maintain(*full_), "none");
}

TEST_F(RequiredFeatures, OfASnapshotCountUntilItIsRemoved) {
  const format::ObjectName snapshot = put_snapshot(*full_, kAdd);
  EXPECT_EQ(add(*full_), "unsupported");
  EXPECT_EQ(full_->snapshots()->snapshots.size(), 1U) << "it can be read";
  EXPECT_EQ(maintain(*full_), "none");
  IndexRecord record;
  record.facts.removals.push_back({SnapshotId{snapshot.id.bytes()}, clock_.now().s});
  full_->publish_record(std::move(record));
  EXPECT_EQ(add(*full_), "none");
}

TEST_F(RequiredFeatures, ForMaintainingDoNotKeepFromAdding) {
  put_snapshot(*full_, kMaintain);
  EXPECT_EQ(add(*full_), "none");
  EXPECT_EQ(maintain(*full_), "unsupported");
}

TEST_F(RequiredFeatures, OfASnapshotCountThoughItCannotBeRead) {
  put_snapshot(*full_, kRead);
  EXPECT_EQ(add(*full_), "none");
  EXPECT_EQ(full_->snapshots()->unreadable.size(), 1U);
  put_snapshot(*full_, kReadAndAdd);
  EXPECT_EQ(add(*full_), "unsupported");
  EXPECT_EQ(maintain(*full_), "none");
}

TEST_F(RequiredFeatures, OfARecordCountForEveryKey) {
  put_record(*full_, kAdd);
  EXPECT_EQ(add(*full_), "unsupported");
  EXPECT_EQ(add(*ingest_), "unsupported");
  EXPECT_EQ(add(*test_.open(TestRepository::full_key(), "full")), "unsupported")
      << "the record was folded before";
  EXPECT_EQ(maintain(*full_), "none");
}

TEST_F(RequiredFeatures, OfALeaseCountWhileItLives) {
  put_lease(*full_, kAdd);
  EXPECT_EQ(add(*full_), "unsupported");
  EXPECT_EQ(add(*ingest_), "unsupported");
  clock_.advance(std::chrono::hours{2});
  EXPECT_EQ(add(*full_), "none");
}

TEST_F(RequiredFeatures, OfALeaseCountThoughItCannotBeRead) {
  put_lease(*full_, kRead);
  EXPECT_EQ(add(*full_), "none");
  put_lease(*full_, kReadAndAdd);
  EXPECT_EQ(add(*full_), "unsupported");
}

TEST_F(RequiredFeatures, NoIngestAuthorLocksOthersOut) {
  for (const Features& features : {kAdd, kMaintain, kRead, kReadAndAdd}) {
    put_snapshot(*ingest_, features);
    put_lease(*ingest_, features);
    put_record(*ingest_, features);
  }
  EXPECT_EQ(add(*full_), "none");
  EXPECT_EQ(add(*ingest_), "none");
  EXPECT_EQ(maintain(*full_), "none");
}

TEST_F(RequiredFeatures, OfTheConfigCount) {
  const auto name = format::config_name();
  const Bytes good = *test_.store().find(name)->bytes;
  proto::Config message;
  ASSERT_TRUE(message.ParseFromArray(good.data() + 16, static_cast<int>(good.size() - 16 - 64)));
  kAdd(*message.mutable_features());
  const Bytes payload = encode_message(message);
  Bytes stored{good.begin(), good.begin() + 12};
  ByteWriter writer{stored};
  writer.u32(static_cast<std::uint32_t>(payload.size()));
  writer.bytes(payload);
  Bytes to_sign;
  ByteWriter sign_writer{to_sign};
  sign_writer.bytes(bytes_of("vgerfs/1 config"));
  sign_writer.u8(0);
  sign_writer.bytes(stored);
  writer.bytes(full_->keyring().root().sign(to_sign));
  test_.store().overwrite(name, stored);
  const auto reopened = test_.open(TestRepository::full_key(), "full");
  EXPECT_EQ(add(*reopened), "unsupported");
  EXPECT_EQ(maintain(*reopened), "none");
}

TEST_F(RequiredFeatures, ARefusedSessionLeavesNoLease) {
  put_snapshot(*full_, kAdd);
  EXPECT_EQ(add(*full_), "unsupported");
  EXPECT_TRUE(list_leases(*full_).empty());
}

}  // namespace
}  // namespace vgerfs::repo
