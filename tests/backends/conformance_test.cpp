#include "conformance.h"

#include <gmock/gmock.h>

#include "support/test_seed.h"

namespace vgerfs::testing {
namespace {

using backends::ObjectInfo;
using backends::read_object;
using backends::write_object;
using format::config_name;
using format::ObjectName;
using format::ObjectType;

INSTANTIATE_TEST_SUITE_P(Stores, BackendConformance, ::testing::ValuesIn(all_stores()),
                         [](const auto& kind) { return kind.param.name; });

constexpr ObjectType kAllTypes[] = {ObjectType::config, ObjectType::key,      ObjectType::pack,
                                    ObjectType::index,  ObjectType::snapshot, ObjectType::lock};

TEST_P(BackendConformance, ReadsAndStatsItsOwnWritesBeforeTheBarrier) {
  for (const ObjectType type : kAllTypes) {
    const ObjectName name = write_object(*backend_, type, content(1));
    EXPECT_EQ(stored(*backend_, name), content(1)) << name.path();
    EXPECT_EQ(backend_->stat(name)->stored_bytes, 100U);
    EXPECT_EQ(backend_->stat(name)->name, name);
  }
}

TEST_P(BackendConformance, HidesWritesFromOthersUntilTheBarrier) {
  for (const ObjectType type : kAllTypes) {
    if (type == ObjectType::pack && backend_->capabilities().packs_at_once) continue;
    const ObjectName name = write_object(*backend_, type, content(1));
    EXPECT_EQ(other_->stat(name), std::nullopt) << name.path();
    Bytes bytes(1);
    EXPECT_EQ(code_of([&] { other_->read(name, 0, bytes); }), ErrorCode::not_found);
    EXPECT_THAT(listed(*other_, type), ::testing::IsEmpty());
    EXPECT_EQ(store_->open()->stat(name), std::nullopt);
  }
}

TEST_P(BackendConformance, ShowsPacksAtOnceWhereItSaysSo) {
  const bool at_once = backend_->capabilities().packs_at_once;
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  EXPECT_EQ(other_->stat(name).has_value(), at_once);
  EXPECT_EQ(listed(*other_, ObjectType::pack).size(), at_once ? 1U : 0U);
  backend_.reset();
  EXPECT_EQ(store_->open()->stat(name).has_value(), at_once);
}

TEST_P(BackendConformance, DropsWritesWithoutABarrier) {
  for (const ObjectType type : kAllTypes) {
    if (type == ObjectType::pack && backend_->capabilities().packs_at_once) continue;
    const auto writer = store_->open();
    const ObjectName name = write_object(*writer, type, content(1));
    EXPECT_TRUE(writer->stat(name));
  }
  for (const ObjectType type : kAllTypes) {
    EXPECT_EQ(store_->open()->stat(type == ObjectType::config ? config_name()
                                                              : name_of(type, content(1))),
              std::nullopt);
  }
}

TEST_P(BackendConformance, ShowsWritesToOthersAfterTheBarrier) {
  std::vector<ObjectName> names;
  for (const ObjectType type : kAllTypes)
    names.push_back(write_object(*backend_, type, content(1)));
  backend_->barrier();
  for (const ObjectName& name : names) {
    EXPECT_EQ(stored(*other_, name), content(1)) << name.path();
    EXPECT_EQ(stored(*backend_, name), content(1)) << name.path();
    EXPECT_THAT(listed(*other_, name.type), ::testing::ElementsAre(name));
  }
}

TEST_P(BackendConformance, ABarrierWithoutWritesSucceeds) {
  EXPECT_NO_THROW(backend_->barrier());
  write_object(*backend_, ObjectType::pack, content(1));
  EXPECT_NO_THROW(backend_->barrier());
  EXPECT_NO_THROW(backend_->barrier());
}

TEST_P(BackendConformance, TakesAnIdenticalRewriteForSuccess) {
  for (const ObjectType type : {ObjectType::pack, ObjectType::config}) {
    const ObjectName name = write_object(*backend_, type, content(1));
    EXPECT_NO_THROW(backend_->write(name, content(1)));
    backend_->barrier();
    EXPECT_NO_THROW(backend_->write(name, content(1)));
    EXPECT_NO_THROW(backend_->barrier());
    EXPECT_NO_THROW(other_->write(name, content(1)));
    EXPECT_NO_THROW(other_->barrier());
    EXPECT_EQ(stored(*store_->open(), name), content(1));
  }
}

TEST_P(BackendConformance, LetsTwoClientsWriteTheSameObject) {
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  EXPECT_NO_THROW(other_->write(name, content(1)));
  EXPECT_NO_THROW(backend_->barrier());
  EXPECT_NO_THROW(other_->barrier());
  EXPECT_EQ(stored(*other_, name), content(1));
}

TEST_P(BackendConformance, RefusesOtherContentUnderATakenName) {
  for (const ObjectName& name : {config_name(), name_of(ObjectType::index, content(1))}) {
    const auto expect_refused = [&](backends::Backend& backend) {
      for (const Bytes& different : {content(2), content(1, 99), content(1, 101), Bytes{}}) {
        EXPECT_EQ(code_of([&] { backend.write(name, different); }), ErrorCode::exists);
      }
    };
    backend_->write(name, content(1));
    expect_refused(*backend_);
    backend_->barrier();
    expect_refused(*backend_);
    expect_refused(*other_);
    EXPECT_NO_THROW(backend_->barrier());
    EXPECT_NO_THROW(other_->barrier());
    EXPECT_EQ(stored(*store_->open(), name), content(1));
  }
}

TEST_P(BackendConformance, TellsTheLoserOfARaceForAName) {
  backend_->write(config_name(), content(1));
  other_->write(config_name(), content(2));
  const ObjectName bystander = write_object(*other_, ObjectType::pack, content(3));
  backend_->barrier();
  EXPECT_EQ(code_of([&] { other_->barrier(); }), ErrorCode::exists);
  EXPECT_EQ(code_of([&] { other_->barrier(); }), ErrorCode::exists)
      << "a second caller took the lost write for durable";
  EXPECT_EQ(stored(*store_->open(), config_name()), content(1));
  other_->remove(config_name());
  EXPECT_NO_THROW(other_->barrier());
  EXPECT_EQ(stored(*store_->open(), config_name()), content(1))
      << "giving up the write removed the winner's object";
  EXPECT_EQ(stored(*store_->open(), bystander), content(3));
}

TEST_P(BackendConformance, ReadsAnyRange) {
  const Bytes bytes = content(1, 100'000);
  const ObjectName name = write_object(*backend_, ObjectType::pack, bytes);
  for (int pass = 0; pass < 2; ++pass) {
    for (const std::size_t offset : {0UL, 1UL, 4095UL, 4096UL, 99'999UL, 100'000UL}) {
      for (const std::size_t size : {0UL, 1UL, 4097UL, 100'000UL}) {
        if (offset + size > bytes.size()) continue;
        Bytes out(size);
        backend_->read(name, offset, out);
        EXPECT_EQ(out, Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                             bytes.begin() + static_cast<std::ptrdiff_t>(offset + size)))
            << offset << "+" << size;
      }
    }
    backend_->barrier();
  }
}

TEST_P(BackendConformance, AReadPastTheEndIsCorrupt) {
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  for (int pass = 0; pass < 2; ++pass) {
    for (const std::uint64_t offset : {std::uint64_t{91}, std::uint64_t{100}, std::uint64_t{101},
                                       std::uint64_t{1} << 40, std::uint64_t{INT64_MAX} - 100}) {
      Bytes out(10);
      EXPECT_EQ(code_of([&] { backend_->read(name, offset, out); }), ErrorCode::corrupt) << offset;
    }
    backend_->barrier();
  }
}

TEST_P(BackendConformance, AnAbsentObjectIsNotFound) {
  for (const ObjectType type : kAllTypes) {
    const ObjectName name = type == ObjectType::config ? config_name() : name_of(type, content(1));
    EXPECT_EQ(backend_->stat(name), std::nullopt);
    Bytes out(1);
    EXPECT_EQ(code_of([&] { backend_->read(name, 0, out); }), ErrorCode::not_found);
    EXPECT_EQ(code_of([&] { backend_->read(name, 0, {}); }), ErrorCode::not_found);
  }
}

TEST_P(BackendConformance, TypesAreSeparate) {
  const ObjectName pack = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  EXPECT_EQ(backend_->stat({ObjectType::index, pack.id}), std::nullopt);
  EXPECT_THAT(listed(*backend_, ObjectType::index), ::testing::IsEmpty());
}

TEST_P(BackendConformance, KeepsAnEmptyObject) {
  const ObjectName name = write_object(*backend_, ObjectType::snapshot, {});
  backend_->barrier();
  EXPECT_EQ(other_->stat(name)->stored_bytes, 0U);
  EXPECT_EQ(read_object(*other_, name, 10), Bytes{});
}

TEST_P(BackendConformance, KeepsALargeObject) {
  const Bytes bytes = content(1, test_size<std::size_t>(33 << 20, 9 << 20) + 1);
  const ObjectName name = write_object(*backend_, ObjectType::pack, bytes);
  EXPECT_TRUE(stored(*backend_, name) == bytes);
  backend_->barrier();
  EXPECT_TRUE(stored(*other_, name) == bytes);
}

TEST_P(BackendConformance, ListsEveryObjectOfATypeWithItsSizeAndNoOther) {
  const std::size_t count = test_size<std::size_t>(GetParam().many, 200);
  std::map<ObjectName, std::uint64_t> sizes;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes bytes = content(i, 8 + i % 50);
    const ObjectType type = i % 10 == 0 ? ObjectType::pack : ObjectType::index;
    sizes.emplace(write_object(*backend_, type, bytes), bytes.size());
  }
  backend_->barrier();
  for (const ObjectType type : kAllTypes) {
    other_->list(type, [&](const ObjectInfo& info) {
      EXPECT_EQ(info.name.type, type);
      const auto found = sizes.find(info.name);
      ASSERT_NE(found, sizes.end()) << info.name.path() << " was never written, or was seen before";
      EXPECT_EQ(info.stored_bytes, found->second);
      sizes.erase(found);
    });
  }
  EXPECT_THAT(sizes, ::testing::IsEmpty());
}

TEST_P(BackendConformance, TheCallbackOfAListingMayRemoveAndRead) {
  for (std::uint64_t i = 0; i < 50; ++i) write_object(*backend_, ObjectType::lock, content(i));
  backend_->barrier();
  int seen = 0;
  backend_->list(ObjectType::lock, [&](const ObjectInfo& info) {
    ++seen;
    EXPECT_EQ(stored(*backend_, info.name).size(), 100U);
    backend_->remove(info.name);
  });
  EXPECT_EQ(seen, 50);
  EXPECT_THAT(listed(*backend_, ObjectType::lock), ::testing::IsEmpty());
}

TEST_P(BackendConformance, AnErrorOfTheCallbackEndsTheListing) {
  for (std::uint64_t i = 0; i < 3; ++i) write_object(*backend_, ObjectType::lock, content(i));
  backend_->barrier();
  int seen = 0;
  const auto list = [&] {
    backend_->list(ObjectType::lock, [&](const ObjectInfo&) {
      ++seen;
      throw Error{ErrorCode::interrupted, "stop"};
    });
  };
  EXPECT_EQ(code_of(list), ErrorCode::interrupted);
  EXPECT_EQ(seen, 1);
}

TEST_P(BackendConformance, RemovesForAllAtOnce) {
  for (const ObjectType type : kAllTypes) {
    const ObjectName name = write_object(*backend_, type, content(1));
    backend_->barrier();
    other_->remove(name);
    EXPECT_EQ(backend_->stat(name), std::nullopt);
    EXPECT_EQ(store_->open()->stat(name), std::nullopt);
    EXPECT_THAT(listed(*backend_, type), ::testing::IsEmpty());
  }
}

TEST_P(BackendConformance, RemovingWhatIsAbsentIsSuccess) {
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  backend_->remove(name);
  EXPECT_NO_THROW(backend_->remove(name));
  for (const ObjectType type : kAllTypes) {
    EXPECT_NO_THROW(backend_->remove(name_of(type, content(99))));
  }
}

TEST_P(BackendConformance, RemoveDropsAWriteBeforeItsBarrier) {
  const ObjectName dropped = write_object(*backend_, ObjectType::pack, content(1));
  const ObjectName kept = write_object(*backend_, ObjectType::pack, content(2));
  backend_->remove(dropped);
  EXPECT_EQ(backend_->stat(dropped), std::nullopt);
  backend_->barrier();
  EXPECT_EQ(other_->stat(dropped), std::nullopt);
  EXPECT_EQ(stored(*other_, kept), content(2));
}

TEST_P(BackendConformance, ARemovedObjectCanBeWrittenAgain) {
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  backend_->remove(name);
  backend_->write(name, content(1));
  EXPECT_EQ(other_->stat(name).has_value(), backend_->capabilities().packs_at_once);
  backend_->barrier();
  EXPECT_EQ(stored(*other_, name), content(1));
}

TEST_P(BackendConformance, ShowsTimesWhereItSaysSo) {
  const bool times = backend_->capabilities().store_clock;
  const ObjectName name = write_object(*backend_, ObjectType::lock, content(1));
  EXPECT_EQ(backend_->stat(name)->stored_at.has_value(), times);
  backend_->barrier();
  const auto info = other_->stat(name);
  EXPECT_EQ(info->stored_at.has_value(), times);
  EXPECT_EQ(other_->capabilities().store_clock, times);
  other_->list(ObjectType::lock, [&](const ObjectInfo& listed_info) {
    EXPECT_EQ(listed_info.stored_at, info->stored_at);
  });
}

TEST_P(BackendConformance, HasALocation) { EXPECT_FALSE(backend_->location().empty()); }

}  // namespace
}  // namespace vgerfs::testing
