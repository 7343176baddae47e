#include "fs/fuse/read_ahead.h"

#include <fcntl.h>

#include <climits>
#include <cstdlib>
#include <exception>
#include <sstream>

#include "base/fd.h"
#include "base/log.h"

namespace vgerfs::fs {
namespace {

constexpr std::size_t kMaxMountinfoBytes = std::size_t{16} << 20;

/// mountinfo writes blanks, tabs, newlines and backslashes as \ooo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain.push_back(static_cast<char>(std::stoi(std::string{text.substr(i + 1, 3)}, nullptr, 8)));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

}  // namespace

std::string device_of_mount(const std::string& mountinfo, const std::string& mount_point) {
  std::istringstream lines{mountinfo};
  std::string device;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields{line};
    std::string id, parent, numbers, root, place;
    fields >> id >> parent >> numbers >> root >> place;
    if (unescape(place) == mount_point) device = numbers;  // the last one lies on top
  }
  return device;
}

void raise_read_ahead(const std::string& mount_point) noexcept {
  try {
    const Bytes mountinfo = read_whole_file("/proc/self/mountinfo", kMaxMountinfoBytes);
    const std::string device = device_of_mount(std::string{text_of(mountinfo)}, mount_point);
    if (device.empty()) return;
    const std::string path = "/sys/class/bdi/" + device + "/read_ahead_kb";
    const Fd file = open_file(path, O_WRONLY);
    write_all(file.get(), bytes_of("1024"), path);
  } catch (const std::exception& error) {
    log::debug("read-ahead stays as it is: {}", error.what());
  }
}

}  // namespace vgerfs::fs
