// What a request says before anybody knows who sent it: target, range, credential. Each is matched
// as it stands, so what was understood spells the input again.
#include <array>
#include <string>
#include <string_view>
#include <variant>

#include "fuzz_support.h"
#include "server/byte_range.h"
#include "server/credential.h"
#include "server/repository_name.h"
#include "server/route.h"

namespace {

using namespace vgerfs;
using namespace vgerfs::server;

constexpr std::array kMethods = {Method::get, Method::head, Method::post, Method::remove,
                                 Method::other};

/// The only target that may lead to such a route; empty where nothing is claimed.
struct Spelling {
  std::string operator()(const CreateRoute& route) const {
    return "/" + route.repository.text() + "/?create=true";
  }
  std::string operator()(const ListRoute& route) const {
    return "/" + route.repository.text() + "/" + std::string{directory_name(route.type)} + "/";
  }
  std::string operator()(const ReadRoute& route) const { return object(route); }
  std::string operator()(const AddRoute& route) const { return object(route); }
  std::string operator()(const RemoveRoute& route) const { return object(route); }
  template <class Other>
  std::string operator()(const Other&) const {
    return {};
  }

 private:
  template <class ObjectRoute>
  static std::string object(const ObjectRoute& route) {
    const std::string type{directory_name(route.object.type)};
    const bool is_config = route.object.type == format::ObjectType::config;
    return "/" + route.repository.text() + "/" + type +
           (is_config ? "" : "/" + route.object.id.hex());
  }
};

/// The same for what lies below /api/v1/: a word, and the repository's name, if there is one.
bool is_spelled(const ApiRoute& route, std::string_view target) {
  constexpr std::string_view kApi = "/api/v1/";
  if (!target.starts_with(kApi)) return false;
  target.remove_prefix(kApi.size());
  const std::size_t slash = target.find('/');
  if (!route.repository) return slash == std::string_view::npos;
  if (slash == std::string_view::npos) return false;
  target.remove_prefix(slash + 1);
  const std::string& name = route.repository->text();
  if (!target.starts_with(name)) return false;
  target.remove_prefix(name.size());
  return target.empty() || target.front() == '?' || target.front() == '/';
}

void route(std::string_view target) {
  for (const Method method : kMethods) {
    const Route parsed = parse_route(method, target);
    const std::string spelling = std::visit(Spelling{}, parsed);
    VGERFS_CHECK(spelling.empty() || spelling == target);
    const auto* const api = std::get_if<ApiRoute>(&parsed);
    VGERFS_CHECK(api == nullptr || (is_spelled(*api, target) && api->method == method));
    // Who only reads changes nothing.
    const bool is_change = std::holds_alternative<CreateRoute>(parsed) ||
                           std::holds_alternative<AddRoute>(parsed) ||
                           std::holds_alternative<RemoveRoute>(parsed);
    VGERFS_CHECK(!is_change || method == Method::post || method == Method::remove);
    VGERFS_CHECK(!std::holds_alternative<RemoveRoute>(parsed) || method == Method::remove);
  }
}

void repository(std::string_view name, std::string_view pattern) {
  const auto parsed = RepositoryName::parse(name);
  if (parsed) {
    VGERFS_CHECK(parsed->text() == name);
    VGERFS_CHECK(name.front() != '.' && name.find("/.") == std::string_view::npos);
    VGERFS_CHECK(name.find("//") == std::string_view::npos && name.back() != '/');
    VGERFS_CHECK(std::count(name.begin(), name.end(), '/') <= 1);
  }
  const auto reach = RepositoryPattern::parse(pattern);
  if (!reach) return;
  VGERFS_CHECK(reach->text() == pattern);
  if (!parsed) return;
  const bool is_below =
      pattern.ends_with("/*") && name.starts_with(pattern.substr(0, pattern.size() - 1));
  VGERFS_CHECK(reach->covers(*parsed) == (pattern == "*" || pattern == name || is_below));
}

void range(std::string_view header) {
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10},
                                    std::uint64_t{1} << 40, UINT64_MAX}) {
    const ByteRange parsed = parse_byte_range(header, bytes);
    switch (parsed.kind) {
      case ByteRange::Kind::whole: VGERFS_CHECK(parsed.offset == 0 && parsed.bytes == bytes); break;
      case ByteRange::Kind::part:
        VGERFS_CHECK(parsed.offset < bytes && parsed.bytes > 0);
        VGERFS_CHECK(parsed.bytes <= bytes - parsed.offset);
        break;
      case ByteRange::Kind::unsatisfiable: break;
    }
  }
}

void credential(std::string_view header) {
  const auto token = presented_token(header);
  if (!token) return;
  VGERFS_CHECK(!token->empty() && token->size() < header.size());
  const bool is_bearer = (static_cast<unsigned char>(header.front()) | 0x20U) == 'b' &&
                         (static_cast<unsigned char>(header[1]) | 0x20U) == 'e';
  VGERFS_CHECK(!is_bearer || header.ends_with(*token));
}

}  // namespace

/// Lines: target, range, credential, repository, pattern.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  std::array<std::string_view, 5> lines;
  for (std::string_view& line : lines) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  route(lines[0]);
  range(lines[1]);
  credential(lines[2]);
  repository(lines[3], lines[4]);
  return 0;
}
