# Every outside library, once. Packages: see tools/check and CONTRIBUTING.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLiteCpp REQUIRED)
find_package(sdbus-c++ REQUIRED)
find_program(SDBUS_XML2CPP sdbus-c++-xml2cpp REQUIRED)

pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0)
pkg_check_modules(GIO REQUIRED IMPORTED_TARGET gio-2.0 gio-unix-2.0)
pkg_check_modules(POLKIT REQUIRED IMPORTED_TARGET polkit-gobject-1)
pkg_check_modules(SOUP REQUIRED IMPORTED_TARGET libsoup-3.0)
pkg_check_modules(NL_ROUTE REQUIRED IMPORTED_TARGET libnl-3.0 libnl-route-3.0)
pkg_check_modules(NFTABLES REQUIRED IMPORTED_TARGET libnftables)
pkg_check_modules(DEVMAPPER REQUIRED IMPORTED_TARGET devmapper)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(EXT2FS REQUIRED IMPORTED_TARGET ext2fs com_err)

# generate_bus_glue(target interface.xml adaptor|proxy): <header> becomes includable as "glue/<stem>_<kind>.hpp".
function(generate_bus_glue target xml kind)
  get_filename_component(stem ${xml} NAME_WLE)
  string(REPLACE "." "_" stem ${stem})
  set(header ${CMAKE_BINARY_DIR}/glue/${stem}_${kind}.hpp)
  get_property(known GLOBAL PROPERTY banger_glue_${stem}_${kind})
  if(NOT known)
    set_property(GLOBAL PROPERTY banger_glue_${stem}_${kind} TRUE)
    add_custom_command(OUTPUT ${header}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/glue
      COMMAND ${SDBUS_XML2CPP} ${xml} --${kind}=glue/${stem}_${kind}.hpp
      WORKING_DIRECTORY ${CMAKE_BINARY_DIR} # the name goes into the include guard: the same in every build tree
      DEPENDS ${xml} VERBATIM)
    add_custom_target(glue_${stem}_${kind} DEPENDS ${header})
  endif()
  add_dependencies(${target} glue_${stem}_${kind})
  target_include_directories(${target} SYSTEM PUBLIC ${CMAKE_BINARY_DIR})
endfunction()
