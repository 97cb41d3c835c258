# SPDX-License-Identifier: MIT
# FindLLHTTP - the llhttp HTTP/1 parser, however this system ships it.
#
# Tried in this order; the first that answers wins:
#   1. a target llhttp::llhttp that the including project already has
#   2. llhttpConfig.cmake                     (upstream's own install, vcpkg)
#   3. a library, with libllhttp.pc as a hint (most distributions)
#   4. C sources under share/llhttp           (Debian's node-llhttp)
#
# Result:
#   LLHTTP_FOUND, LLHTTP_VERSION
#   LLHTTP_PROVIDER   target | config | library | source
#   llhttp::llhttp    target to link
#
# With LLHTTP_PROVIDER "source" the parser is an OBJECT library that goes into
# whoever uses it (strict parsing, hidden symbols, warnings off), so nothing
# has to be installed next to us. Its functions are renamed jobsrv__llhttp_*,
# so that our archive may be linked beside another llhttp.
#
# Input: LLHTTP_ROOT, LLHTTP_USE_SOURCES (ON skips steps 2 and 3).

include(FindPackageHandleStandardArgs)

set(LLHTTP_PROVIDER "")

if(TARGET llhttp::llhttp)
  set(LLHTTP_PROVIDER target)
  find_package_handle_standard_args(LLHTTP REQUIRED_VARS LLHTTP_PROVIDER)
  return()
endif()

function(_llhttp_header_version header out)
  set(parts "")
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS "${header}" line LIMIT_COUNT 1
         REGEX "^#define[ \t]+LLHTTP_VERSION_${part}[ \t]+[0-9]+")
    string(REGEX REPLACE ".*[ \t]([0-9]+).*" "\\1" number "${line}")
    list(APPEND parts "${number}")
  endforeach()
  string(REPLACE ";" "." parts "${parts}")
  set(${out} "${parts}" PARENT_SCOPE)
endfunction()

# 2. upstream's package configuration
if(NOT LLHTTP_USE_SOURCES)
  find_package(llhttp CONFIG QUIET)
  if(TARGET llhttp::llhttp)
    set(LLHTTP_PROVIDER config)
    set(LLHTTP_VERSION "${llhttp_VERSION}")
  endif()
endif()

# 3. a library and a header, pkg-config or not
if(NOT LLHTTP_PROVIDER AND NOT LLHTTP_USE_SOURCES)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(PC_LLHTTP QUIET libllhttp)
  endif()
  find_library(LLHTTP_LIBRARY NAMES llhttp HINTS ${PC_LLHTTP_LIBRARY_DIRS})
  find_path(LLHTTP_INCLUDE_DIR NAMES llhttp.h HINTS ${PC_LLHTTP_INCLUDE_DIRS})
  mark_as_advanced(LLHTTP_LIBRARY LLHTTP_INCLUDE_DIR)

  if(LLHTTP_LIBRARY AND LLHTTP_INCLUDE_DIR)
    set(LLHTTP_PROVIDER library)
    _llhttp_header_version("${LLHTTP_INCLUDE_DIR}/llhttp.h" LLHTTP_VERSION)
    add_library(llhttp::llhttp UNKNOWN IMPORTED)
    set_target_properties(llhttp::llhttp PROPERTIES
      IMPORTED_LOCATION "${LLHTTP_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${LLHTTP_INCLUDE_DIR}")
  endif()
endif()

# 4. generated C sources
if(NOT LLHTTP_PROVIDER)
  find_path(LLHTTP_SOURCE_DIR NAMES llhttp.c PATH_SUFFIXES share/llhttp llhttp
            HINTS ${CMAKE_SYSTEM_PREFIX_PATH})
  find_path(LLHTTP_SOURCE_INCLUDE_DIR NAMES llhttp.h
            PATH_SUFFIXES share/include/llhttp include/llhttp
            HINTS ${CMAKE_SYSTEM_PREFIX_PATH})
  mark_as_advanced(LLHTTP_SOURCE_DIR LLHTTP_SOURCE_INCLUDE_DIR)

  if(LLHTTP_SOURCE_DIR AND LLHTTP_SOURCE_INCLUDE_DIR)
    set(LLHTTP_PROVIDER source)
    _llhttp_header_version("${LLHTTP_SOURCE_INCLUDE_DIR}/llhttp.h"
                           LLHTTP_VERSION)
    # The parser's header, seen through one of ours that renames its functions.
    set(files "")
    set(names "")
    foreach(file api http llhttp)
      list(APPEND files "${LLHTTP_SOURCE_DIR}/${file}.c")
      file(READ "${LLHTTP_SOURCE_DIR}/${file}.c" text)
      string(REGEX MATCHALL "llhttp_[a-z0-9_]+\\(" found "${text}")
      list(APPEND names ${found})
    endforeach()
    list(REMOVE_DUPLICATES names)
    list(SORT names)
    list(TRANSFORM names REPLACE "(.+)\\(" "#define \\1 jobsrv__\\1")
    list(JOIN names "\n" names)
    set(renamed "${CMAKE_CURRENT_BINARY_DIR}/llhttp-renamed")
    file(CONFIGURE OUTPUT "${renamed}/llhttp.h" @ONLY CONTENT
"#define LLHTTP_STRICT_MODE 1
@names@
#include \"@LLHTTP_SOURCE_INCLUDE_DIR@/llhttp.h\"
")

    add_library(llhttp_from_source OBJECT EXCLUDE_FROM_ALL ${files})
    target_include_directories(llhttp_from_source SYSTEM PUBLIC
      "$<BUILD_INTERFACE:${renamed}>")
    # llhttp.c looks at it before it includes anything.
    target_compile_options(llhttp_from_source PRIVATE
      -DLLHTTP_STRICT_MODE=1
      $<$<C_COMPILER_ID:GNU,Clang,AppleClang>:-w>)
    set_target_properties(llhttp_from_source PROPERTIES
      C_VISIBILITY_PRESET hidden
      POSITION_INDEPENDENT_CODE ON)
    add_library(llhttp::llhttp ALIAS llhttp_from_source)
  endif()
endif()

find_package_handle_standard_args(LLHTTP
  REQUIRED_VARS LLHTTP_PROVIDER
  VERSION_VAR LLHTTP_VERSION
  REASON_FAILURE_MESSAGE
    "install llhttp (Debian 12: node-llhttp, which has the C sources)")
