#include "repo/index_fact_rows.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"
#include "repo/client_database.h"

namespace vgerfs::repo {
namespace {

enum class Property : std::uint8_t { hold = 1, tags = 2 };
constexpr std::int64_t kAllBlocks = -1;

ObjectId object(ByteView id) { return ObjectId::from_bytes(id); }

std::uint64_t fact_hash(const FactRow& row) {
  Bytes head;
  ByteWriter writer{head};
  writer.u8(static_cast<std::uint8_t>(row.kind));
  writer.bytes(row.subject.view());
  writer.bytes(row.origin.view());
  writer.u64(static_cast<std::uint64_t>(row.value));
  return row_hash({head, row.data});
}

Bytes annotation_data(const Annotation& annotation) {
  Bytes data;
  ByteWriter writer{data};
  writer.u32(annotation.time.ns);
  if (const auto* hold = std::get_if<Hold>(&annotation.property)) {
    writer.u8(static_cast<std::uint8_t>(Property::hold));
    writer.u8(hold->held ? 1 : 0);
    return data;
  }
  writer.u8(static_cast<std::uint8_t>(Property::tags));
  for (const std::string& tag : std::get<Tags>(annotation.property).tags) {
    writer.u32(static_cast<std::uint32_t>(tag.size()));
    writer.bytes(bytes_of(tag));
  }
  return data;
}

Annotation parse_annotation(const FactRow& row) {
  ByteReader reader{row.data, "an annotation's row"};
  Annotation annotation;
  annotation.snapshot = SnapshotId{row.subject.bytes()};
  annotation.origin = RecordId{row.origin.bytes()};
  annotation.time = {row.value, reader.u32()};
  if (Property{reader.u8()} == Property::hold) {
    annotation.property = Hold{reader.u8() != 0};
    return annotation;
  }
  Tags tags;
  while (reader.left() > 0) {
    const std::uint32_t bytes = reader.u32();
    tags.tags.emplace_back(text_of(reader.bytes(bytes)));
  }
  annotation.property = std::move(tags);
  return annotation;
}

Bytes revocation_data(const Revocation& revocation) {
  Bytes data;
  append(data, revocation.signature);
  for (const ObjectId& id : revocation.surviving) append(data, id.view());
  return data;
}

FactRow read_row(const Statement& rows, FactKind kind) {
  const ByteView data = rows.blob(3);
  return {kind, rows.id<ObjectId>(0), rows.id<ObjectId>(1), rows.integer(2),
          Bytes{data.begin(), data.end()}};
}

/// All rows of a kind, in the order of the table, compared with the kind's sum.
void for_each_row(Database& database, FactKind kind,
                  const std::function<void(const FactRow&)>& each) {
  std::uint64_t sum = 0;
  auto rows = database.query(
      "SELECT subject, origin, value, data FROM fact WHERE kind = ?1 "
      "ORDER BY subject, origin, value, data");
  rows.bind(static_cast<std::uint8_t>(kind));
  while (rows.step()) {
    const FactRow row = read_row(rows, kind);
    sum += fact_hash(row);
    each(row);
  }
  auto kept = database.query("SELECT sum FROM fact_sum WHERE kind = ?1");
  kept.bind(static_cast<std::uint8_t>(kind));
  const std::uint64_t expected = kept.step() ? static_cast<std::uint64_t>(kept.integer(0)) : 0;
  if (sum != expected) throw Error{ErrorCode::corrupt, "rows were changed"};
}

void check_rows(Database& database, FactKind kind) {
  for_each_row(database, kind, [](const FactRow&) {});
}

bool is_undone(Database& database, const FactRow& row) {
  auto query = database.query("SELECT 1 FROM fact WHERE kind = 3 AND subject = ?1 AND origin = ?2");
  return query.bind(row.subject, row.origin).step();
}

}  // namespace

void for_each_fact_row(const RecordId& id, const Facts& facts,
                       const std::function<void(const FactRow&)>& each) {
  const auto origin = [&](const std::optional<RecordId>& first) {
    return object(first.value_or(id).view());
  };
  for (const SnapshotRemoval& removal : facts.removals) {
    each({FactKind::removal,
          object(removal.snapshot.view()),
          origin(removal.origin),
          removal.time_s,
          {}});
  }
  for (const Condemnation& condemnation : facts.condemnations) {
    each({FactKind::condemnation,
          object(condemnation.pack.view()),
          origin(condemnation.origin),
          condemnation.time_s,
          {}});
  }
  for (const Undo& undo : facts.undoes) {
    for (const ObjectId& subject : undo.subjects) {
      each({FactKind::undo, subject, object(undo.record.view()), 0, {}});
    }
  }
  for (const PackId& pack : facts.buried) {
    each({FactKind::buried, object(pack.view()), {}, 0, {}});
  }
  for (const RecordId& record : facts.supersedes) {
    each({FactKind::superseded, object(record.view()), {}, 0, {}});
  }
  for (const Vouch& vouch : facts.vouches) {
    const ObjectId pack = object(vouch.pack.view());
    if (vouch.blocks.empty()) {
      each({FactKind::vouch, pack, ObjectId{vouch.entry}, kAllBlocks, {}});
    }
    for (const std::uint32_t block : vouch.blocks) {
      each({FactKind::vouch, pack, ObjectId{vouch.entry}, block, {}});
    }
  }
  for (const Annotation& annotation : facts.annotations) {
    each({FactKind::annotation, object(annotation.snapshot.view()), origin(annotation.origin),
          annotation.time.s, annotation_data(annotation)});
  }
  for (const Revocation& revocation : facts.revocations) {
    Bytes data = revocation_data(revocation);
    const ObjectId hash{sha256(data)};
    each({FactKind::revocation, ObjectId{revocation.author}, hash, 0, std::move(data)});
  }
}

bool insert_fact(Database& database, const FactRow& row) {
  const auto kind = static_cast<std::uint8_t>(row.kind);
  {
    auto insert =
        database.query("INSERT OR IGNORE INTO fact VALUES (?1, ?2, ?3, ?4, ?5) RETURNING kind");
    insert.bind(kind, row.subject, row.origin, row.value, ByteView{row.data});
    if (!insert.step()) return false;
  }
  std::uint64_t sum = fact_hash(row);
  auto kept = database.query("SELECT sum FROM fact_sum WHERE kind = ?1");
  if (kept.bind(kind).step()) sum += static_cast<std::uint64_t>(kept.integer(0));
  kept.reset();
  database.query("INSERT OR REPLACE INTO fact_sum VALUES (?1, ?2)")
      .bind(kind, static_cast<std::int64_t>(sum))
      .run();
  return true;
}

bool is_fact(Database& database, FactKind kind, ByteView subject) {
  auto query = database.query("SELECT 1 FROM fact WHERE kind = ?1 AND subject = ?2");
  return query.bind(static_cast<std::uint8_t>(kind), subject).step();
}

std::vector<SnapshotRemoval> read_removals(Database& database) {
  check_rows(database, FactKind::undo);
  std::vector<SnapshotRemoval> removals;
  for_each_row(database, FactKind::removal, [&](const FactRow& row) {
    if (is_undone(database, row)) return;
    removals.push_back({SnapshotId{row.subject.bytes()}, row.value, RecordId{row.origin.bytes()}});
  });
  return removals;
}

std::vector<Condemnation> read_condemnations(Database& database) {
  check_rows(database, FactKind::undo);
  check_rows(database, FactKind::buried);
  std::vector<Condemnation> condemnations;
  for_each_row(database, FactKind::condemnation, [&](const FactRow& row) {
    if (is_undone(database, row) || is_fact(database, FactKind::buried, row.subject.view())) return;
    condemnations.push_back({PackId{row.subject.bytes()}, row.value, RecordId{row.origin.bytes()}});
  });
  return condemnations;
}

std::vector<Annotation> read_annotations(Database& database) {
  std::map<std::pair<SnapshotId, std::size_t>, Annotation> latest;
  for_each_row(database, FactKind::annotation, [&](const FactRow& row) {
    Annotation annotation = parse_annotation(row);
    const auto rank = [](const Annotation& a) { return std::tuple{a.time.s, a.time.ns, a.origin}; };
    const std::pair key{annotation.snapshot, annotation.property.index()};
    const auto [at, added] = latest.try_emplace(key, annotation);
    if (!added && rank(at->second) < rank(annotation)) at->second = std::move(annotation);
  });
  std::vector<Annotation> annotations;
  for (auto& [key, annotation] : latest) annotations.push_back(std::move(annotation));
  return annotations;
}

std::vector<Revocation> read_revocations(Database& database) {
  std::vector<Revocation> revocations;
  for_each_row(database, FactKind::revocation, [&](const FactRow& row) {
    ByteReader reader{row.data, "a revocation's row"};
    Revocation revocation;
    revocation.author = row.subject.bytes();
    revocation.signature = reader.array<std::tuple_size_v<crypto::Signature>>();
    while (reader.left() > 0) {
      revocation.surviving.emplace_back(reader.array<ObjectId::kSize>());
    }
    revocations.push_back(std::move(revocation));
  });
  return revocations;
}

std::vector<PackId> read_buried(Database& database) {
  std::vector<PackId> buried;
  for_each_row(database, FactKind::buried,
               [&](const FactRow& row) { buried.emplace_back(row.subject.bytes()); });
  return buried;
}

std::vector<RecordId> read_superseded(Database& database) {
  std::vector<RecordId> superseded;
  for_each_row(database, FactKind::superseded,
               [&](const FactRow& row) { superseded.emplace_back(row.subject.bytes()); });
  return superseded;
}

VouchedBlocks read_vouched(Database& database, const PackId& pack, const EntryDigest& entry) {
  VouchedBlocks vouched;
  auto rows = database.query(
      "SELECT value FROM fact WHERE kind = 6 AND subject = ?1 AND origin = ?2 ORDER BY value");
  rows.bind(pack, entry);
  while (rows.step()) {
    if (rows.integer(0) == kAllBlocks) return {true, {}};
    vouched.blocks.push_back(rows.number<std::uint32_t>(0));
  }
  return vouched;
}

Facts read_all_facts(Database& database) {
  Facts facts;
  for_each_row(database, FactKind::removal, [&](const FactRow& row) {
    facts.removals.push_back(
        {SnapshotId{row.subject.bytes()}, row.value, RecordId{row.origin.bytes()}});
  });
  for_each_row(database, FactKind::condemnation, [&](const FactRow& row) {
    facts.condemnations.push_back(
        {PackId{row.subject.bytes()}, row.value, RecordId{row.origin.bytes()}});
  });
  for_each_row(database, FactKind::undo, [&](const FactRow& row) {
    facts.undoes.push_back({RecordId{row.origin.bytes()}, {row.subject}});
  });
  for_each_row(database, FactKind::vouch, [&](const FactRow& row) {
    const PackId pack{row.subject.bytes()};
    const EntryDigest entry = row.origin.bytes();
    // In the order of the table: the blocks of an entry ascend, and kAllBlocks comes before them.
    Vouch* const last = facts.vouches.empty() ? nullptr : &facts.vouches.back();
    const bool goes_on = last != nullptr && last->pack == pack && last->entry == entry;
    if (!goes_on) facts.vouches.push_back({pack, entry, {}});
    if (row.value == kAllBlocks || (goes_on && last->blocks.empty())) return;
    facts.vouches.back().blocks.push_back(static_cast<std::uint32_t>(row.value));
  });
  for_each_row(database, FactKind::annotation,
               [&](const FactRow& row) { facts.annotations.push_back(parse_annotation(row)); });
  facts.buried = read_buried(database);
  facts.supersedes = read_superseded(database);
  facts.revocations = read_revocations(database);
  return facts;
}

void check_facts(Database& database) {
  for (const FactKind kind :
       {FactKind::removal, FactKind::condemnation, FactKind::undo, FactKind::buried,
        FactKind::superseded, FactKind::vouch, FactKind::annotation, FactKind::revocation}) {
    check_rows(database, kind);
  }
}

}  // namespace vgerfs::repo
