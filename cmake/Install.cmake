# Everything that is installed besides the programs. Parts that do not exist yet are skipped.

# Man pages: docs/man/<page>.<section>.scd
file(GLOB man_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.scd)
set(man_pages)
if(man_sources)
  find_program(VGERFS_SCDOC scdoc REQUIRED)
endif()
foreach(source IN LISTS man_sources)
  cmake_path(GET source STEM LAST_ONLY page)
  cmake_path(GET page EXTENSION LAST_ONLY section)
  string(SUBSTRING ${section} 1 -1 section)
  set(output ${PROJECT_BINARY_DIR}/man/${page})
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/man
    COMMAND sh -c "exec \"$0\" <\"$1\" >\"$2\"" ${VGERFS_SCDOC} ${source} ${output}
    DEPENDS ${source}
    COMMENT "Writing ${page}"
    VERBATIM)
  list(APPEND man_pages ${output})
  install(FILES ${output} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
add_custom_target(man ALL DEPENDS ${man_pages})

# Shell completions: contrib/completions/{<program>.bash,_<program>,<program>.fish}
file(GLOB completions CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/contrib/completions/*)
foreach(file IN LISTS completions)
  cmake_path(GET file FILENAME name)
  if(name MATCHES "^(.+)\\.bash$")
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${CMAKE_MATCH_1})
  elseif(name MATCHES "^_")
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  elseif(name MATCHES "\\.fish$")
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  endif()
endforeach()

# systemd units. A package sets the directory to that of systemd.pc: pkg-config --variable=systemdsystemunitdir systemd
set(VGERFS_SYSTEMD_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd units go, relative to the prefix or absolute")
file(GLOB units CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/contrib/systemd/*.service ${PROJECT_SOURCE_DIR}/contrib/systemd/*.socket
  ${PROJECT_SOURCE_DIR}/contrib/systemd/*.timer ${PROJECT_SOURCE_DIR}/contrib/systemd/*.mount
  ${PROJECT_SOURCE_DIR}/contrib/systemd/*.automount)
if(units)
  install(FILES ${units} DESTINATION ${VGERFS_SYSTEMD_UNIT_DIR})
endif()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/contrib/systemd/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/systemd)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES ${PROJECT_SOURCE_DIR}/contrib/systemd/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/systemd)

# mount(8) and umount(8) look for helpers in /sbin only, whatever the prefix. The program tells them by argv[0].
set(VGERFS_MOUNT_HELPER_DIR /sbin CACHE STRING "Where the mount helpers go; empty for sbin below the prefix")
set(helper_dir ${VGERFS_MOUNT_HELPER_DIR})
if(NOT helper_dir)
  set(helper_dir ${CMAKE_INSTALL_FULL_SBINDIR})
endif()
if(TARGET vgerfs)
  foreach(helper IN ITEMS mount.fuse.vgerfs umount.fuse.vgerfs)
    install(CODE "
      set(link \"\$ENV{DESTDIR}${helper_dir}/${helper}\")
      message(STATUS \"Installing: \${link}\")
      file(MAKE_DIRECTORY \"\$ENV{DESTDIR}${helper_dir}\")
      file(CREATE_LINK \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/vgerfs\" \"\${link}\" SYMBOLIC)")
  endforeach()
endif()
