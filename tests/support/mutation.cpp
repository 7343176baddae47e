#include "support/mutation.h"

#include <algorithm>
#include <iterator>

namespace vgerfs::testing {

std::size_t Mutator::below(std::size_t bound) { return bound == 0 ? 0 : engine_() % bound; }

void Mutator::change_once(Bytes& bytes) {
  static constexpr std::byte kTelling[] = {std::byte{0x00}, std::byte{0x01}, std::byte{0x7f},
                                           std::byte{0x80}, std::byte{0xfe}, std::byte{0xff}};
  if (bytes.empty()) {
    bytes.push_back(static_cast<std::byte>(below(256)));
    return;
  }
  const std::size_t at = below(bytes.size());
  const std::size_t run =
      1 + below(std::min<std::size_t>(bytes.size() - at, below(4) == 0 ? 256 : 8));
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  const auto end = begin + static_cast<std::ptrdiff_t>(run);
  switch (below(10)) {
    case 0:
    case 1: bytes[at] ^= std::byte{1} << below(8); break;
    case 2: bytes[at] = kTelling[below(std::size(kTelling))]; break;
    case 3: bytes[at] = static_cast<std::byte>(below(256)); break;
    case 4: std::fill(begin, end, kTelling[below(std::size(kTelling))]); break;
    case 5: bytes.erase(begin, end); break;
    case 6: {
      const Bytes copy{begin, end};
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)),
                   copy.begin(), copy.end());
      break;
    }
    case 7: {
      Bytes fresh(run);
      for (std::byte& byte : fresh) byte = static_cast<std::byte>(below(256));
      bytes.insert(begin, fresh.begin(), fresh.end());
      break;
    }
    case 8: bytes.resize(at); break;
    case 9: std::rotate(begin, begin + static_cast<std::ptrdiff_t>(below(run)), end); break;
    default: break;
  }
}

Bytes Mutator::mutate(ByteView bytes) {
  Bytes changed{bytes.begin(), bytes.end()};
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) change_once(changed);
  return changed;
}

}  // namespace vgerfs::testing
