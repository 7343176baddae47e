// System calls that fail, one at a time, and the order of those that succeed.
#include <algorithm>
#include <cerrno>

#include <gmock/gmock.h>

#include "local_backend_test.h"

namespace vgerfs::testing {
namespace {

using backends::Temporary;
using backends::write_object;
using format::ObjectName;
using format::ObjectType;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LocalFaults : public LocalBackendTest {
 protected:
  bool is_visible(const ObjectName& name) const { return open()->stat(name).has_value(); }
};

std::ptrdiff_t position(const std::vector<std::string>& trace, const std::string& entry) {
  const auto found = std::find(trace.begin(), trace.end(), entry);
  EXPECT_NE(found, trace.end()) << entry;
  return found - trace.begin();
}

TEST_F(LocalFaults, NamesNothingBeforeItsBytesAreOnTheDisk) {
  for (const Temporary temporary : {Temporary::nameless, Temporary::named}) {
    const auto backend = open({.temporary = temporary});
    const auto seed = static_cast<std::uint64_t>(temporary) * 100;
    for (std::uint64_t i = 0; i < 5; ++i) {
      write_object(*backend, ObjectType::pack, content(seed + i));
    }
    clear_system_faults();
    backend->barrier();
    const auto trace = system_call_trace();
    EXPECT_EQ(std::count(trace.begin(), trace.begin() + 5, "fdatasync"), 5);
    EXPECT_EQ(std::count(trace.begin(), trace.end(), "fdatasync"), 5);
  }
}

TEST_F(LocalFaults, MakesEveryNameDurable) {
  const ObjectName pack = write_object(*backend_, ObjectType::pack, content(1));
  const ObjectName index = write_object(*backend_, ObjectType::index, content(2));
  write_object(*backend_, ObjectType::config, content(3));
  clear_system_faults();
  backend_->barrier();
  const auto trace = system_call_trace();
  const auto before = [&](const std::string& first, const std::string& second) {
    EXPECT_LT(position(trace, first), position(trace, second)) << first << " / " << second;
  };
  before("link " + pack.path(), "fsync " + pack.id.hex().substr(0, 2));
  before("link " + pack.path(), "fsync data");  // data/xx is new
  before("link " + index.path(), "fsync index");
  before("link config", "fsync repository");
}

TEST_F(LocalFaults, PublishesNoReferenceBeforeItsTargetIsDurable) {
  // Written in the wrong order and without a barrier between them.
  const ObjectName snapshot = write_object(*backend_, ObjectType::snapshot, content(1));
  const ObjectName index = write_object(*backend_, ObjectType::index, content(2));
  const ObjectName pack = write_object(*backend_, ObjectType::pack, content(3));
  clear_system_faults();
  backend_->barrier();
  const auto trace = system_call_trace();
  EXPECT_LT(position(trace, "fsync " + pack.id.hex().substr(0, 2)),
            position(trace, "link " + index.path()));
  EXPECT_LT(position(trace, "fsync data"), position(trace, "link " + index.path()));
  EXPECT_LT(position(trace, "fsync index"), position(trace, "link " + snapshot.path()));
}

TEST_F(LocalFaults, SyncsEachDirectoryOnce) {
  for (std::uint64_t i = 0; i < 200; ++i) write_object(*backend_, ObjectType::pack, content(i));
  clear_system_faults();
  backend_->barrier();
  auto trace = system_call_trace();
  std::erase_if(trace, [](const std::string& entry) { return !entry.starts_with("fsync "); });
  std::sort(trace.begin(), trace.end());
  EXPECT_EQ(std::unique(trace.begin(), trace.end()), trace.end());
}

TEST_F(LocalFaults, SyncsADirectoryThatAnotherProcessMayNotHaveSynced) {
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  const auto other = open();
  clear_system_faults();
  other->write(name, content(1));
  other->barrier();
  const auto trace = system_call_trace();
  position(trace, "fdatasync");
  position(trace, "fsync data");
  position(trace, "fsync " + name.id.hex().substr(0, 2));
}

TEST_F(LocalFaults, ARemovalIsDurableWhenItReturns) {
  const ObjectName name = write_object(*backend_, ObjectType::lock, content(1));
  backend_->barrier();
  clear_system_faults();
  backend_->remove(name);
  EXPECT_THAT(system_call_trace(), ::testing::ElementsAre("fsync locks"));
}

TEST_F(LocalFaults, BytesThatDidNotReachTheDiskAreNeverPublished) {
  for (const Temporary temporary : {Temporary::nameless, Temporary::named}) {
    const auto backend = open({.temporary = temporary});
    const auto seed = static_cast<std::uint64_t>(temporary) * 100;
    const ObjectName first = write_object(*backend, ObjectType::pack, content(seed + 1));
    const ObjectName second = write_object(*backend, ObjectType::pack, content(seed + 2));
    clear_system_faults();
    fail_system_call(SystemCall::fdatasync, EIO);
    const Error error = error_of([&] { backend->barrier(); });
    EXPECT_EQ(error.code(), ErrorCode::io);
    const bool first_lost = error.message().find(first.path()) != std::string::npos;
    const ObjectName& lost = first_lost ? first : second;
    const ObjectName& other = first_lost ? second : first;
    EXPECT_THAT(error.message(), HasSubstr(lost.path()));
    EXPECT_FALSE(is_visible(first) || is_visible(second));
    EXPECT_EQ(backend->stat(lost), std::nullopt) << "lost bytes were still shown";

    // A second fdatasync on the same file would succeed: it must not be believed.
    EXPECT_EQ(error_of([&] { backend->barrier(); }).message(), error.message());
    EXPECT_FALSE(is_visible(lost));
    backend->write(lost, content(seed + (first_lost ? 1U : 2U)));
    EXPECT_NO_THROW(backend->barrier());
    EXPECT_TRUE(is_visible(lost) && is_visible(other));
  }
}

TEST_F(LocalFaults, GivingUpALostWriteLetsTheOthersGoOn) {
  const ObjectName lost = write_object(*backend_, ObjectType::pack, content(1));
  fail_system_call(SystemCall::fdatasync, EIO);
  error_of([&] { backend_->barrier(); });
  const ObjectName other = write_object(*backend_, ObjectType::pack, content(2));
  error_of([&] { backend_->barrier(); });
  backend_->remove(lost);
  EXPECT_NO_THROW(backend_->barrier());
  EXPECT_TRUE(is_visible(other));
  EXPECT_FALSE(is_visible(lost));
}

TEST_F(LocalFaults, AFailureToNameIsRetriedByTheNextBarrier) {
  const auto check = [&](backends::LocalOptions options, SystemCall call, std::uint64_t seed) {
    const auto backend = open(options);
    std::vector<ObjectName> names;
    for (std::uint64_t i = 0; i < 6; ++i) {
      names.push_back(write_object(*backend, ObjectType::index, content(seed + i)));
    }
    fail_system_call(call, ENOSPC, 4);
    EXPECT_EQ(error_of([&] { backend->barrier(); }).code(), ErrorCode::no_space);
    for (std::uint64_t i = 0; i < 6; ++i) {
      Bytes out(100);
      backend->read(names[i], 0, out);
      EXPECT_EQ(out, content(seed + i));
      EXPECT_NO_THROW(backend->write(names[i], out));
    }
    EXPECT_NO_THROW(backend->barrier());
    for (const ObjectName& name : names) EXPECT_TRUE(is_visible(name));
  };
  check({}, SystemCall::linkat, 100);
  check({.max_open_files = 1}, SystemCall::renameat2, 200);
  check({.temporary = Temporary::named}, SystemCall::renameat2, 300);
  EXPECT_EQ(files().size(), 18U) << "a temporary file was left";
}

TEST_F(LocalFaults, AFailureToNameKeepsBackWhatRefersToIt) {
  const ObjectName pack = write_object(*backend_, ObjectType::pack, content(1));
  const ObjectName snapshot = write_object(*backend_, ObjectType::snapshot, content(2));
  fail_system_call(SystemCall::linkat, ENOSPC);
  EXPECT_EQ(error_of([&] { backend_->barrier(); }).code(), ErrorCode::no_space);
  EXPECT_FALSE(is_visible(snapshot));
  EXPECT_FALSE(is_visible(pack));
}

TEST_F(LocalFaults, RemovesWhatAFailedBarrierHasNamed) {
  // Two parked files are named, the third fails: the first two are visible, yet still ours.
  const auto backend = open({.max_open_files = 1});
  std::vector<ObjectName> names;
  for (std::uint64_t i = 0; i < 4; ++i) {
    names.push_back(write_object(*backend, ObjectType::index, content(i)));
  }
  fail_system_call(SystemCall::renameat2, ENOSPC, 3, 1);
  EXPECT_EQ(error_of([&] { backend->barrier(); }).code(), ErrorCode::no_space);
  for (const ObjectName& name : names) {
    EXPECT_TRUE(backend->stat(name));
    backend->remove(name);
    EXPECT_EQ(backend->stat(name), std::nullopt);
    EXPECT_FALSE(is_visible(name));
  }
  EXPECT_NO_THROW(backend->barrier());
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(LocalFaults, AnUnsyncedDirectoryFailsTheBarrierUntilItsObjectsAreWrittenAgain) {
  const ObjectName name = write_object(*backend_, ObjectType::index, content(1));
  const ObjectName snapshot = write_object(*backend_, ObjectType::snapshot, content(2));
  fail_system_call(SystemCall::fsync, EIO);
  EXPECT_EQ(error_of([&] { backend_->barrier(); }).code(), ErrorCode::io);
  EXPECT_EQ(error_of([&] { backend_->barrier(); }).code(), ErrorCode::io);
  EXPECT_FALSE(is_visible(snapshot));
  backend_->write(name, content(1));
  EXPECT_NO_THROW(backend_->barrier());
  EXPECT_TRUE(is_visible(snapshot));
}

TEST_F(LocalFaults, AFailedWriteLeavesNothing) {
  for (const Temporary temporary : {Temporary::nameless, Temporary::named}) {
    for (const int error_number : {ENOSPC, EIO, EDQUOT}) {
      const auto backend = open({.temporary = temporary});
      fail_system_call(SystemCall::pwrite, error_number, 2);
      const Bytes bytes = content(1, 20 << 20);
      const Error error = error_of([&] { write_object(*backend, ObjectType::pack, bytes); });
      EXPECT_EQ(error.code(), error_number == EIO ? ErrorCode::io : ErrorCode::no_space);
      EXPECT_THAT(error.message(), HasSubstr(name_of(ObjectType::pack, bytes).path()));
      EXPECT_EQ(backend->stat(name_of(ObjectType::pack, bytes)), std::nullopt);
      EXPECT_THAT(files(), IsEmpty());
      EXPECT_NO_THROW(backend->barrier());
      EXPECT_THAT(files(), IsEmpty());
    }
  }
}

TEST_F(LocalFaults, AFailureToParkIsToldByTheBarrierToo) {
  const auto backend = open({.max_open_files = 2});
  const ObjectName oldest = write_object(*backend, ObjectType::pack, content(1));
  write_object(*backend, ObjectType::pack, content(2));
  fail_system_call(SystemCall::fdatasync, EIO);
  const Bytes next = content(3);
  EXPECT_EQ(error_of([&] { write_object(*backend, ObjectType::pack, next); }).code(),
            ErrorCode::io);
  EXPECT_EQ(backend->stat(name_of(ObjectType::pack, next)), std::nullopt);
  EXPECT_THAT(error_of([&] { backend->barrier(); }).message(), HasSubstr(oldest.path()));
}

TEST_F(LocalFaults, ANamePublishedDuringAWriteIsSeenByIt) {
  const auto publish = [&](std::uint64_t number) {
    before_system_call(SystemCall::open_nameless, [this, number] {
      backend_->write(format::config_name(), content(number));
      backend_->barrier();
    });
  };
  publish(1);
  EXPECT_EQ(error_of([&] { backend_->write(format::config_name(), content(2)); }).code(),
            ErrorCode::exists);
  EXPECT_NO_THROW(backend_->barrier());
  backend_->remove(format::config_name());
  publish(3);
  EXPECT_NO_THROW(backend_->write(format::config_name(), content(3)));
  EXPECT_NO_THROW(backend_->barrier());
}

TEST_F(LocalFaults, ANamePublishedByAnotherClientDuringAWriteIsSeenByTheBarrier) {
  const auto other = open();
  before_system_call(SystemCall::open_nameless, [&] {
    other->write(format::config_name(), content(1));
    other->barrier();
  });
  EXPECT_NO_THROW(backend_->write(format::config_name(), content(2)));
  EXPECT_EQ(error_of([&] { backend_->barrier(); }).code(), ErrorCode::exists);
  EXPECT_EQ(backends::read_object(*open(), format::config_name(), 1000), content(1));
}

TEST_F(LocalFaults, AWriteFinishedDuringABarrierIsLeftToTheNext) {
  const ObjectName first = write_object(*backend_, ObjectType::index, content(1));
  ObjectName second;
  before_system_call(SystemCall::linkat,
                     [&] { second = write_object(*backend_, ObjectType::index, content(2)); });
  backend_->barrier();
  EXPECT_TRUE(is_visible(first));
  EXPECT_FALSE(is_visible(second));
  backend_->barrier();
  EXPECT_TRUE(is_visible(second));
}

TEST_F(LocalFaults, WorksWithoutNamelessFiles) {
  for (const int error_number : {EOPNOTSUPP, EISDIR}) {
    const auto backend = open();
    clear_system_faults();
    fail_system_call(SystemCall::open_nameless, error_number, 1, kForEver);
    const auto seed = static_cast<std::uint64_t>(error_number) * 10;
    const ObjectName name = write_object(*backend, ObjectType::pack, content(seed));
    EXPECT_FALSE(is_visible(name));
    backend->barrier();
    position(system_call_trace(), "rename " + name.path());
    EXPECT_TRUE(is_visible(name));
  }
}

TEST_F(LocalFaults, WorksWhereRenamingCannotSpareOthers) {
  fail_system_call(SystemCall::renameat2, EINVAL, 1, kForEver);
  const auto backend = open({.temporary = Temporary::named});
  const ObjectName name = write_object(*backend, ObjectType::pack, content(1));
  backend->write(format::config_name(), content(1));
  backend_->write(format::config_name(), content(2));
  backend_->barrier();
  EXPECT_EQ(error_of([&] { backend->barrier(); }).code(), ErrorCode::exists);
  EXPECT_TRUE(is_visible(name));
  EXPECT_EQ(files().size(), 2U) << "a temporary file was left";
}

TEST_F(LocalFaults, SaysWhenAFileSystemCannotPublishWithoutReplacing) {
  fail_system_call(SystemCall::renameat2, EINVAL, 1, kForEver);
  fail_system_call(SystemCall::linkat, EPERM, 1, kForEver);
  const auto backend = open({.temporary = Temporary::named});
  const ObjectName name = write_object(*backend, ObjectType::pack, content(1));
  EXPECT_EQ(error_of([&] { backend->barrier(); }).code(), ErrorCode::unsupported);
  EXPECT_FALSE(is_visible(name));
}

TEST_F(LocalFaults, NamesNamelessFilesThroughProc) {
  // Without CAP_DAC_READ_SEARCH linkat(2) by descriptor says ENOENT.
  fail_system_call(SystemCall::linkat, ENOENT);
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  EXPECT_NO_THROW(backend_->barrier());
  EXPECT_TRUE(is_visible(name));
}

TEST_F(LocalFaults, ARemovalThatFailsSaysSo) {
  const ObjectName name = write_object(*backend_, ObjectType::lock, content(1));
  backend_->barrier();
  fail_system_call(SystemCall::unlinkat, EROFS);
  EXPECT_EQ(error_of([&] { backend_->remove(name); }).code(), ErrorCode::read_only);
  fail_system_call(SystemCall::fsync, EIO);
  EXPECT_EQ(error_of([&] { backend_->remove(name); }).code(), ErrorCode::io);
}

}  // namespace
}  // namespace vgerfs::testing
