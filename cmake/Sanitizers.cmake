# VGERFS_SANITIZE applies to every target, generated code included: a half-instrumented program reports nonsense.
if(VGERFS_SANITIZE)
  add_compile_options(-fsanitize=${VGERFS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${VGERFS_SANITIZE})
endif()
if(VGERFS_FUZZ)
  # What is covered guides libFuzzer; its main function is linked into the targets alone (tests/fuzz).
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(VGERFS_SANITIZE MATCHES "thread")
  # The thread sanitizers of g++ 12 and clang 14 die where the kernel randomises more than 28 address bits. A container
  # may forbid to switch that off.
  execute_process(COMMAND setarch --addr-no-randomize true RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(NOT failed)
    set(CMAKE_CROSSCOMPILING_EMULATOR setarch --addr-no-randomize)
  endif()
endif()

# Where daemons of system tests write what a sanitizer reports: not below the build directory, which those of ordinary users
# may not be able to reach.
string(MD5 vgerfs_sanitizer_reports ${PROJECT_BINARY_DIR})
set(vgerfs_sanitizer_reports /tmp/vgerfs-reports-${vgerfs_sanitizer_reports})
