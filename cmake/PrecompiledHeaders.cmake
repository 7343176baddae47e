# VGERFS_PCH: foreign headers that most sources include are parsed once for the libraries and once for the tests. Clang
# compiles both in half of the time so; g++ gains a tenth. A source still includes what it uses: builds without this
# option (g++) and header_check hold it to that.
#
# vgerfs_precompiled(<target> libraries|tests)
if(NOT VGERFS_PCH)
  function(vgerfs_precompiled)
  endfunction()
  return()
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # A precompiled header from the cache is as good as a new one.
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()

set(vgerfs_common_headers
  <algorithm> <array> <atomic> <chrono> <condition_variable> <filesystem> <functional> <map> <memory> <mutex> <optional>
  <ranges> <set> <span> <string> <string_view> <thread> <unordered_map> <vector>
  <fmt/format.h>
  <google/protobuf/arena.h> <google/protobuf/extension_set.h> <google/protobuf/generated_message_reflection.h>
  <google/protobuf/message.h> <google/protobuf/repeated_field.h> <google/protobuf/unknown_field_set.h>)

# The options of a precompiled header are those of its users, position independence included: hence a library and a
# program.
set(source ${PROJECT_BINARY_DIR}/precompiled_headers.cpp)
file(CONFIGURE OUTPUT ${source} CONTENT "int main() {}\n")

add_library(vgerfs_precompiled_libraries OBJECT ${source})
target_precompile_headers(vgerfs_precompiled_libraries PRIVATE ${vgerfs_common_headers})

if(VGERFS_TESTS)
  add_executable(vgerfs_precompiled_tests ${source})
  target_compile_options(vgerfs_precompiled_tests PRIVATE ${vgerfs_test_options})
  target_link_libraries(vgerfs_precompiled_tests PRIVATE GTest::gmock)
  target_precompile_headers(vgerfs_precompiled_tests PRIVATE ${vgerfs_common_headers} <gmock/gmock.h> <gtest/gtest.h>)
endif()

function(vgerfs_precompiled target users)
  target_precompile_headers(${target} REUSE_FROM vgerfs_precompiled_${users})
endfunction()
