# What `cmake --install` puts where; GNUInstallDirs names the folders, DESTDIR is honoured. What depends on who may use the
# root helper (bus policy, polkit rule, /etc/banger) is not here: `banger system install` writes that.
#
#   bin/banger                          the program
#   libexec/banger/                     its companions: banger-agent (copied into guests), banger-jail, banger-qemu
#   lib/banger/                         the modules of daemon and helper
#   share/dbus-1/                       interfaces, and activation of daemon (services) and helper (system-services)
#   share/polkit-1/actions/             what the helper asks polkit for
#   lib/systemd/{user,system}/          units
#   share/man/                          man pages
#   share/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}/   completion

install(TARGETS banger RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(companion banger-agent banger-jail banger-qemu)
  if(TARGET ${companion})
    install(TARGETS ${companion} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/banger)
  endif()
endforeach()
foreach(role daemon helper)
  if(TARGET banger-${role}-role)
    install(TARGETS banger-${role}-role LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/banger)
  endif()
endforeach()

# Files that name the program's place: filled when they are installed, so that `cmake --install --prefix` is followed.
function(install_filled template folder)
  get_filename_component(name ${template} NAME_WLE) # without .in
  install(CODE "set(bindir \"${CMAKE_INSTALL_BINDIR}\")
    cmake_path(ABSOLUTE_PATH bindir BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\" NORMALIZE)
    configure_file(\"${PROJECT_SOURCE_DIR}/${template}\" \"${CMAKE_BINARY_DIR}/install/${name}\" @ONLY)")
  install(FILES ${CMAKE_BINARY_DIR}/install/${name} DESTINATION ${folder})
endfunction()
install_filled(dbus/org.banger.Manager1.service.in ${CMAKE_INSTALL_DATADIR}/dbus-1/services)
install_filled(dbus/org.banger.Helper1.service.in ${CMAKE_INSTALL_DATADIR}/dbus-1/system-services)
# systemd looks in lib/systemd whatever the libraries' folder is called (systemd.unit(5)).
install_filled(systemd/banger-daemon.service.in lib/systemd/user)
install_filled(systemd/banger-helper.service.in lib/systemd/system)
install(FILES systemd/banger.slice DESTINATION lib/systemd/system)
install(FILES systemd/banger.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME banger.conf)

file(GLOB interfaces CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/dbus/org.banger.*.xml)
install(FILES ${interfaces} DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/interfaces)
install(FILES polkit/org.banger.helper.policy DESTINATION ${CMAKE_INSTALL_DATADIR}/polkit-1/actions)
install(DIRECTORY polkit/examples DESTINATION ${CMAKE_INSTALL_DOCDIR}/polkit)

foreach(section 1 5 7 8)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.${section})
  if(pages)
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endif()
endforeach()

set(completion ${PROJECT_SOURCE_DIR}/src/cli/completion)
install(FILES ${completion}/banger.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME banger)
install(FILES ${completion}/banger.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _banger)
install(FILES ${completion}/banger.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
