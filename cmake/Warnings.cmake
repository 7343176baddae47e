# Our warnings, linked PRIVATE into our own targets only: generated and foreign code stays out.
add_library(vgerfs_warnings INTERFACE)
target_compile_options(vgerfs_warnings INTERFACE
  -Wall -Wextra -Wpedantic
  -Wcast-align -Wcast-qual -Wconversion -Wdouble-promotion -Wextra-semi -Wformat=2 -Wimplicit-fallthrough
  -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Wshadow -Wsign-conversion -Wswitch-enum -Wundef
  -Wunused
  # Designated initialisers may leave out members that have defaults.
  -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-branches>
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond>
  $<$<CXX_COMPILER_ID:GNU>:-Wlogical-op>
  $<$<CXX_COMPILER_ID:Clang>:-Wunused-lambda-capture>
  $<$<BOOL:${VGERFS_WERROR}>:-Werror>)
