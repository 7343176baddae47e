#include "repo/compression.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

/// One decompression context per thread: making one costs more than a small frame.
ZSTD_DCtx& decompression_context() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context{ZSTD_createDCtx()};
  if (!context) throw Error{ErrorCode::no_space, "no memory for decompression"};
  return *context;
}

/// The magic number of a zstd frame. Checked by us: the library would also take skippable frames
/// and formats older than RFC 8878.
bool is_zstd_frame(ByteView frame) noexcept {
  constexpr unsigned char kMagic[4] = {0x28, 0xB5, 0x2F, 0xFD};
  return frame.size() >= sizeof kMagic && std::memcmp(frame.data(), kMagic, sizeof kMagic) == 0;
}

}  // namespace

struct Compressor::State {
  std::unique_ptr<ZSTD_CCtx, FreeContext> context{ZSTD_createCCtx()};
};

Compressor::Compressor(int level) : state_(std::make_unique<State>()) {
  if (!state_->context) throw Error{ErrorCode::no_space, "no memory for compression"};
  if (level < 1 || level > 19) {
    throw Error{ErrorCode::usage, fmt::format("compression level {} is not within 1 … 19", level)};
  }
  const auto set = [this](ZSTD_cParameter parameter, int value) {
    VGERFS_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(state_->context.get(), parameter, value)));
  };
  set(ZSTD_c_compressionLevel, level);
  set(ZSTD_c_checksumFlag, 0);  // the seal around it is stronger
}

Compressor::~Compressor() = default;

std::size_t Compressor::compress(ByteView plain, MutableBytes out) {
  const std::size_t length =
      ZSTD_compress2(state_->context.get(), out.data(), out.size(), plain.data(), plain.size());
  if (!ZSTD_isError(length)) return length;
  const ZSTD_ErrorCode code = ZSTD_getErrorCode(length);
  if (code == ZSTD_error_memory_allocation) {
    throw Error{ErrorCode::no_space, "no memory for compression"};
  }
  if (code != ZSTD_error_dstSize_tooSmall) bug(ZSTD_getErrorName(length));
  return 0;
}

std::size_t Compressor::bound(std::size_t plain_bytes) noexcept {
  return ZSTD_compressBound(plain_bytes);
}

void decompress(ByteView frame, MutableBytes plain) {
  if (!is_zstd_frame(frame)) throw Error{ErrorCode::corrupt, "compressed data is no zstd frame"};
  const std::size_t frame_bytes = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(frame_bytes)) {
    throw Error{ErrorCode::corrupt,
                fmt::format("a zstd frame is damaged: {}", ZSTD_getErrorName(frame_bytes))};
  }
  if (!is_zero(frame.subspan(frame_bytes))) {
    throw Error{ErrorCode::corrupt, "a zstd frame is followed by other bytes than zeros"};
  }
  // One call with the whole output: the library writes there only and needs no window of its own.
  const std::size_t length = ZSTD_decompressDCtx(&decompression_context(), plain.data(),
                                                 plain.size(), frame.data(), frame_bytes);
  if (ZSTD_isError(length)) {
    if (ZSTD_getErrorCode(length) == ZSTD_error_memory_allocation) {
      throw Error{ErrorCode::no_space, "no memory for decompression"};
    }
    throw Error{ErrorCode::corrupt,
                fmt::format("a zstd frame is damaged: {}", ZSTD_getErrorName(length))};
  }
  if (length != plain.size()) {
    throw Error{ErrorCode::corrupt, "a zstd frame yields less than its block says"};
  }
}

bool is_zero(ByteView bytes) noexcept {
  // Equal to itself shifted by one, and the first is zero.
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace vgerfs::repo
