#include <sys/xattr.h>

#include <string>

#include "fs/fuse/binding.h"
#include "fs/fuse/slots.h"

namespace vgerfs::fs::slots {

void getxattr(fuse_req_t request, fuse_ino_t node, const char* name, size_t size) {
  answer(request, [&](Binding& binding, Reply& reply) {
    reply.xattr(binding.on_view(node, [&](auto& view) { return view.get_xattr(node, name); }),
                size);
  });
}

void listxattr(fuse_req_t request, fuse_ino_t node, size_t size) {
  answer(request, [&](Binding& binding, Reply& reply) {
    std::string names;
    for (const std::string& name :
         binding.on_view(node, [&](auto& view) { return view.list_xattrs(node); })) {
      names += name;
      names += '\0';
    }
    reply.xattr(bytes_of(names), size);
  });
}

void setxattr(fuse_req_t request, fuse_ino_t node, const char* name, const char* value, size_t size,
              int flags) {
  answer(request, [&](Binding& binding, Reply& reply) {
    binding.writable(node).set_xattr(node, name, bytes_of({value, size}),
                                     (flags & XATTR_CREATE) != 0, (flags & XATTR_REPLACE) != 0,
                                     caller_of(request));
    reply.ok();
  });
}

void removexattr(fuse_req_t request, fuse_ino_t node, const char* name) {
  answer(request, [&](Binding& binding, Reply& reply) {
    binding.writable(node).remove_xattr(node, name, caller_of(request));
    reply.ok();
  });
}

}  // namespace vgerfs::fs::slots
