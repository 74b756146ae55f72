# Language, warnings, sanitizers, visibility: one place for all targets.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG") # -O3 makes larger programs here, not faster ones
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# All programs land in one folder, so that the build tree can be used like an installed one.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/banger)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(banger_settings INTERFACE)
target_include_directories(banger_settings INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(banger_settings INTERFACE _GNU_SOURCE BANGER_VERSION="${PROJECT_VERSION}")
target_compile_options(banger_settings INTERFACE -Wall -Wextra $<$<BOOL:${BANGER_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 takes "literal" + std::string for overlapping copies once it optimises: https://gcc.gnu.org/PR105651
  target_compile_options(banger_settings INTERFACE -Wno-restrict)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(banger_settings INTERFACE _FORTIFY_SOURCE=2)
  target_compile_options(banger_settings INTERFACE -fstack-protector-strong)
endif()
if(BANGER_SANITIZE)
  target_compile_options(banger_settings INTERFACE
    -fsanitize=${BANGER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(banger_settings INTERFACE -fsanitize=${BANGER_SANITIZE})
endif()

if(BANGER_FUZZ)
  # Coverage in the libraries too: a fuzzer that sees only its own file searches blindly.
  target_compile_options(banger_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# banger_library(name SOURCES… LINK…): a static library of one folder.
function(banger_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC banger_settings ${ARG_LINK})
endfunction()
