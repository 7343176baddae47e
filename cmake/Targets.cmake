include(GoogleTest)

# Tests are compiled more often than they are run: what they test is optimised, they are not. (Fortification wants -O1.)
if(VGERFS_SANITIZE)
  set(vgerfs_test_options -O0 -g1)
else()
  set(vgerfs_test_options -O1 -g1)
endif()

include(PrecompiledHeaders)

add_custom_target(header_check COMMENT "Every header compiles alone")
add_custom_target(generated COMMENT "Generated sources")

# VGERFS_UNITY: foreign headers cost more than our code, so several sources are compiled as one. What such sources have in
# their unnamed namespaces needs names that differ; builds without the option hold each source to include what it uses.
function(vgerfs_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${VGERFS_UNITY} UNITY_BUILD_BATCH_SIZE 10)
  if(VGERFS_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Of what a source keeps to itself, g++ thinks that others share it.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# vgerfs_library(<name> [SOURCES <file>...] [PROTOS <file.proto>...] [DEPS <target>...])
#
# Static library vgerfs_<name>, alias vgerfs::<name>, for the folder of the calling CMakeLists.txt; its headers are
# included as "<name>/x.h". DEPS are passed on to users. Without sources it is an INTERFACE library.
#
#   vgerfs_library(repo
#     SOURCES pack_writer.cpp maintenance/prune.cpp
#     DEPS vgerfs::format vgerfs::crypto zstd::libzstd_shared)
function(vgerfs_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PROTOS;DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "vgerfs_library(${name}): unexpected ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(target vgerfs_${name})
  if(arg_SOURCES OR arg_PROTOS)
    add_library(${target} STATIC ${arg_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE vgerfs_warnings)
    vgerfs_precompiled(${target} libraries)
    vgerfs_unity(${target})
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(vgerfs::${name} ALIAS ${target})
  target_include_directories(${target} ${scope} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} ${scope} ${arg_DEPS})
  if(arg_PROTOS)
    vgerfs_protobuf(${target} ${arg_PROTOS})
  endif()
  vgerfs_header_check(${target})
endfunction()

# Adds the messages of <folder>/x.proto to a library; its users include "<folder>/x.pb.h". Proto files import each
# other as "<folder>/y.proto". Generated code gets neither our warnings nor clang-tidy.
function(vgerfs_protobuf target)
  set(out ${PROJECT_BINARY_DIR}/generated)
  set(generated)
  foreach(proto IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH proto)
    cmake_path(RELATIVE_PATH proto BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/src OUTPUT_VARIABLE relative)
    cmake_path(REMOVE_EXTENSION relative LAST_ONLY OUTPUT_VARIABLE stem)
    add_custom_command(
      OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR}/src --cpp_out=${out} ${relative}
      DEPENDS ${ARGN} protobuf::protoc
      COMMENT "Compiling ${relative}"
      VERBATIM)
    list(APPEND generated ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
  endforeach()
  add_library(${target}_messages OBJECT ${generated})
  set_target_properties(${target}_messages PROPERTIES CXX_CLANG_TIDY "")
  target_compile_options(${target}_messages PRIVATE -w)
  target_include_directories(${target}_messages SYSTEM PUBLIC ${out})
  target_link_libraries(${target}_messages PUBLIC protobuf::libprotobuf)
  # Linking the object library also orders the compilation of every user after protoc.
  target_link_libraries(${target} PUBLIC ${target}_messages)
  add_custom_target(${target}_generated DEPENDS ${generated})
  add_dependencies(${target}_messages ${target}_generated)
  add_dependencies(generated ${target}_generated)
endfunction()

# One source file per header below the calling folder: target header_check compiles them all.
function(vgerfs_header_check target)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/src *.h)
  set(sources)
  foreach(header IN LISTS headers)
    set(source ${PROJECT_BINARY_DIR}/header_check/${header}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"  // IWYU pragma: keep\n")
    list(APPEND sources ${source})
  endforeach()
  if(sources)
    add_library(${target}_headers OBJECT ${sources})
    if(NOT VGERFS_HEADER_CHECK)
      set_target_properties(${target}_headers PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
    target_link_libraries(${target}_headers PRIVATE ${target} vgerfs_warnings)
    target_compile_options(${target}_headers PRIVATE -O0 -g0 -U_FORTIFY_SOURCE)
    add_dependencies(header_check ${target}_headers)
  endif()
endfunction()

# vgerfs_program(<name> <source> DEPS <target>...)
#
# A program that is installed: one short main over a library. Does nothing until the source exists.
function(vgerfs_program name source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPS")
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    return()
  endif()
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} vgerfs_warnings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# vgerfs_test(<name> SOURCES <file>... [DEPS <target>...] [LABELS <label>...] [TIMEOUT <seconds>] [ONE_THREAD <filter>])
#
# GoogleTest program test_<name>; every TEST is a ctest test "<name>.<Suite>.<Test>", or with VGERFS_TEST_SHARDS
# "<name>.<n>" is a share of them, with the label `unit` unless LABELS says otherwise. A folder has one program, and more
# only for what needs a process of its own. What ONE_THREAD names, as --gtest_filter does, the thread sanitizer does not
# see: long tests whose threads others have, too.
#
#   vgerfs_test(crypto SOURCES aead_test.cpp mac_test.cpp DEPS vgerfs::crypto)
function(vgerfs_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;ONE_THREAD" "SOURCES;DEPS;LABELS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "vgerfs_test(${name}): unexpected ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  # Three levels of list expansion lie between here and the test's property.
  string(REPLACE ";" [[\\\\\\\;]] arg_LABELS "${arg_LABELS}")
  add_executable(test_${name} ${arg_SOURCES})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_options(test_${name} PRIVATE ${vgerfs_test_options})
  target_compile_definitions(test_${name} PRIVATE VGERFS_TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data")
  target_link_libraries(test_${name} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main vgerfs_warnings)
  vgerfs_precompiled(test_${name} tests)
  vgerfs_unity(test_${name})
  if(VGERFS_TEST_SHARDS)
    vgerfs_test_shards(${name} ${arg_SOURCES})
  else()
    gtest_discover_tests(test_${name}
      TEST_PREFIX ${name}.
      DISCOVERY_MODE PRE_TEST
      DISCOVERY_TIMEOUT 120
      PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
  endif()
endfunction()

# A process takes longer to start than most tests to run, with a sanitizer above all: each share is some four sources'
# worth. `arg_…` are the caller's.
function(vgerfs_test_shards name)
  list(LENGTH ARGN sources)
  math(EXPR last "${sources} / 4")
  if(last EQUAL 0)
    set(last 1)  # as many as CPUs that every machine has
  endif()
  math(EXPR shards "${last} + 1")
  math(EXPR timeout "6 * ${arg_TIMEOUT}")
  set(environment "GTEST_TOTAL_SHARDS=${shards};GTEST_BRIEF=1")
  if(arg_ONE_THREAD AND VGERFS_SANITIZE MATCHES "thread")
    list(APPEND environment "GTEST_FILTER=-${arg_ONE_THREAD}")
  endif()
  foreach(shard RANGE ${last})
    add_test(NAME ${name}.${shard} COMMAND test_${name})
    set_tests_properties(${name}.${shard} PROPERTIES
      ENVIRONMENT "${environment};GTEST_SHARD_INDEX=${shard}"
      LABELS "${arg_LABELS}"
      TIMEOUT ${timeout}
      COST ${arg_TIMEOUT})
  endforeach()
endfunction()

# vgerfs_system_test(<name> <script.sh|script.py> [ARGS <arg>...] [LABELS <label>...] [TIMEOUT <seconds>] [SERIAL])
#
# A script that drives the built programs, usually on a real mount. It finds them in $VGERFS_BIN, the sources in
# $VGERFS_SOURCE, and exits with 77 to skip. The label is `system` unless LABELS says otherwise.
function(vgerfs_system_test name script)
  cmake_parse_arguments(PARSE_ARGV 2 arg "SERIAL" "TIMEOUT" "ARGS;LABELS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "vgerfs_system_test(${name}): unexpected ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS system)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  # The distribution's Python by path: another one, without its modules, may come first on PATH.
  set(interpreter bash)
  if(script MATCHES "\\.py$")
    set(interpreter /usr/bin/python3)
  endif()
  add_test(NAME ${name} COMMAND ${interpreter} ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "VGERFS_BIN=${PROJECT_BINARY_DIR}/bin;VGERFS_SOURCE=${PROJECT_SOURCE_DIR};PYTHONDONTWRITEBYTECODE=1"
    LABELS "${arg_LABELS}"
    TIMEOUT ${arg_TIMEOUT}
    SKIP_RETURN_CODE 77
    RUN_SERIAL ${arg_SERIAL})
  if(VGERFS_SANITIZE)
    # What a daemon prints and how it exits is lost otherwise: tests/CMakeLists.txt.
    set(log string_append::log_path=${vgerfs_sanitizer_reports}/report)
    set_tests_properties(${name} PROPERTIES
      FIXTURES_REQUIRED sanitizer_reports
      ENVIRONMENT_MODIFICATION "ASAN_OPTIONS=${log};TSAN_OPTIONS=${log}")
  endif()
endfunction()
