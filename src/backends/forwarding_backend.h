// The base of all decorators: forwards every call to another backend. A decorator overrides what it
// changes; what it forgets still reaches the store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "backends/backend.h"

namespace vgerfs::backends {

/// Thread-safe, as the inner backend is.
class ForwardingBackend : public Backend {
 public:
  explicit ForwardingBackend(std::unique_ptr<Backend> inner)
      : owned_(std::move(inner)), inner_(*owned_) {}
  /// `inner` must outlive this.
  explicit ForwardingBackend(Backend& inner) : inner_(inner) {}

  void read(const format::ObjectName& name, std::uint64_t offset, MutableBytes out) override {
    inner_.read(name, offset, out);
  }
  void write(const format::ObjectName& name, ByteView bytes) override { inner_.write(name, bytes); }
  void barrier() override { inner_.barrier(); }
  std::optional<ObjectInfo> stat(const format::ObjectName& name) override {
    return inner_.stat(name);
  }
  void list(format::ObjectType type, const std::function<void(const ObjectInfo&)>& each) override {
    inner_.list(type, each);
  }
  void remove(const format::ObjectName& name) override { inner_.remove(name); }
  Capabilities capabilities() const override { return inner_.capabilities(); }
  StoreServices* services() noexcept override { return inner_.services(); }
  std::string location() const override { return inner_.location(); }

 protected:
  Backend& inner() noexcept { return inner_; }

 private:
  std::unique_ptr<Backend> owned_;
  Backend& inner_;
};

}  // namespace vgerfs::backends
