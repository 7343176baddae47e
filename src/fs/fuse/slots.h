// libfuse's request slots. Each finds its view by the node's number, calls the function of the same
// name, and answers.
#pragma once

#include <fuse_lowlevel.h>

namespace vgerfs::fs {

/// All slots. Session userdata is a Binding.
const fuse_lowlevel_ops& operations();

namespace slots {

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name);
void forget(fuse_req_t request, fuse_ino_t node, uint64_t count);
void forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets);
void getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
void setattr(fuse_req_t request, fuse_ino_t node, struct stat* wanted, int which,
             fuse_file_info* info);
void readlink(fuse_req_t request, fuse_ino_t node);
void statfs(fuse_req_t request, fuse_ino_t node);

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device);
void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode);
void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name);
void link(fuse_req_t request, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name);
void unlink(fuse_req_t request, fuse_ino_t parent, const char* name);
void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name);
void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned int flags);

void open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info);
void read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* info);
void write(fuse_req_t request, fuse_ino_t node, const char* bytes, size_t size, off_t offset,
           fuse_file_info* info);
void fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
               fuse_file_info* info);
void lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, fuse_file_info* info);
void flush(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
void release(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
void fsync(fuse_req_t request, fuse_ino_t node, int data_only, fuse_file_info* info);

void opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
void readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* info);
void readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                 fuse_file_info* info);
void releasedir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info);
void fsyncdir(fuse_req_t request, fuse_ino_t node, int data_only, fuse_file_info* info);

void getxattr(fuse_req_t request, fuse_ino_t node, const char* name, size_t size);
void listxattr(fuse_req_t request, fuse_ino_t node, size_t size);
void setxattr(fuse_req_t request, fuse_ino_t node, const char* name, const char* value, size_t size,
              int flags);
void removexattr(fuse_req_t request, fuse_ino_t node, const char* name);

}  // namespace slots
}  // namespace vgerfs::fs
