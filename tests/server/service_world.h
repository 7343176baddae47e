// A service on a store of its own, asked without a network.
#pragma once

#include <fcntl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "server/credential.h"
#include "server/leases.h"
#include "server/service.h"
#include "store_world.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {

/// A service with one token of each role for "repo", called like the role.
class ServiceWorld : public ::testing::Test {
 protected:
  ServiceWorld() {
    world_.queue->commit([&](Change& change) {
      for (const Role role : {Role::read, Role::append, Role::maintain, Role::admin}) {
        add_token(change.database(),
                  {.principal = {.name = std::string{to_string(role)},
                                 .role = role,
                                 .repositories = *RepositoryPattern::parse("repo")},
                   .hash = hash_token(to_string(role)),
                   .created_at = 0});
      }
      add_token(change.database(),
                {.principal = {.name = "other-append",
                               .role = Role::append,
                               .repositories = *RepositoryPattern::parse("repo")},
                 .hash = hash_token("other-append"),
                 .created_at = 0});
      authenticator_.load(change.database());
    });
    authenticator_.set_configured_token("configured");
    EXPECT_EQ(status(Method::post, "/repo/?create=true", "admin"), 200);
  }

  Reply ask(Method method, const std::string& target, const std::string& token,
            std::optional<std::string> body = std::nullopt, Request request = {}) {
    request.method = method;
    request.target = target;
    if (!token.empty()) request.authorization = "Bearer " + token;
    if (body) request.content_length = body->size();
    Answer answer = service_.begin(request);
    if (auto* const reply = std::get_if<Reply>(&answer)) return std::move(*reply);
    if (auto* const live = std::get_if<std::unique_ptr<LiveReply>>(&answer)) {
      (*live)->listen([] {});
      return *(*live)->reply(true);
    }
    auto& taker = *std::get<std::unique_ptr<RequestBody>>(answer);
    try {
      taker.write(bytes_of(body.value_or("")));
      return taker.finish();
    } catch (...) {
      return service_.failure(request, std::current_exception());
    }
  }
  int status(Method method, const std::string& target, const std::string& token,
             std::optional<std::string> body = std::nullopt) {
    return ask(method, target, token, std::move(body)).status;
  }
  int put(const std::string& token, const std::string& body,
          format::ObjectType type = format::ObjectType::pack) {
    return status(Method::post, target_of(body, type), token, body);
  }
  static std::string target_of(const std::string& body,
                               format::ObjectType type = format::ObjectType::pack) {
    return fmt::format("/repo/{}/{}", format::directory_name(type), object_of(body).id.hex());
  }
  void configure(ServerConfig config) {
    config.data_dir = "/";
    config.min_free_bytes = 0;
    service_.reload(std::move(config));
  }

  vgerfs::testing::TemporaryDirectory directory_;
  StoreWorld world_{directory_ / "data"};
  Fd sink_ = open_file(directory_ / "log", O_RDWR | O_CREAT, 0600);
  EventLog log_{sink_.get(), LogFormat::pretty, world_.clock};
  Authenticator authenticator_{true, world_.clock};
  Metrics metrics_;
  Verifier verifier_{*world_.store, *world_.queue, log_, world_.clock};
  AuditLog audit_{log_, world_.directory.audit_path(), world_.clock};
  ChangeBell bell_;
  Leases leases_{*world_.store, *world_.queue, world_.clock};
  Service service_{{.store = *world_.store,
                    .leases = leases_,
                    .ledger = *world_.ledger,
                    .authenticator = authenticator_,
                    .metrics = metrics_,
                    .bell = bell_,
                    .verifier = verifier_,
                    .log = log_,
                    .audit = audit_,
                    .clock = world_.clock},
                   {.min_free_bytes = 0}};
};

}  // namespace vgerfs::server
