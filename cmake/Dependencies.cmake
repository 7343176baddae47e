# Libraries from the distribution (scripts/install-deps). Who may use which: tests/lint/layers.py.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(zstd REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(Boost 1.81 REQUIRED)
pkg_check_modules(libsodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(fuse3 REQUIRED IMPORTED_TARGET fuse3>=3.14)
pkg_check_modules(libsystemd REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(libmount REQUIRED IMPORTED_TARGET mount)
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive)

# The API version is part of using the library, not a choice of each source file.
target_compile_definitions(PkgConfig::fuse3 INTERFACE FUSE_USE_VERSION=314)

# Only measurements need it.
find_package(benchmark QUIET)

if(VGERFS_TESTS)
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
endif()
