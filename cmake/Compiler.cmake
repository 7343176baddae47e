# Build speed, reproducible paths and hardening: what holds for every target.

find_program(VGERFS_CCACHE ccache)
if(VGERFS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths below the source tree are hashed relative to it: all checkouts of the project share one cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1)
  if(VGERFS_PCH)
    list(APPEND CMAKE_CXX_COMPILER_LAUNCHER CCACHE_SLOPPINESS=pch_defines,time_macros)
  endif()
  list(APPEND CMAKE_CXX_COMPILER_LAUNCHER ${VGERFS_CCACHE})
endif()

find_program(VGERFS_MOLD mold)
if(VGERFS_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# No path of the build machine in __FILE__, assertions or debug information.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()

# Bounds checks of the standard library stay on in every build: a wrong byte costs more than a cycle.
add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_compile_options(-fstack-protector-strong)
add_link_options(-Wl,-z,relro,-z,now)
if(NOT VGERFS_SANITIZE)
  add_compile_options($<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
                      $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
endif()
