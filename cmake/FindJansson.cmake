# SPDX-License-Identifier: MIT
# FindJansson - jansson by its package configuration, else by jansson.pc.
#
# Debian 12's libjansson-dev (2.14) has jansson.pc and no janssonConfig.cmake.
# Result: Jansson_FOUND, Jansson_VERSION and the target jansson::jansson.

include(FindPackageHandleStandardArgs)

if(NOT TARGET jansson::jansson)
  find_package(jansson CONFIG QUIET)
  set(Jansson_VERSION "${jansson_VERSION}")
endif()

if(NOT TARGET jansson::jansson)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(PC_JANSSON QUIET IMPORTED_TARGET GLOBAL jansson)
  endif()
  if(TARGET PkgConfig::PC_JANSSON)
    set(Jansson_VERSION "${PC_JANSSON_VERSION}")
    # A target of its own, not an alias: an export set records the real name.
    add_library(jansson::jansson INTERFACE IMPORTED GLOBAL)
    target_link_libraries(jansson::jansson INTERFACE PkgConfig::PC_JANSSON)
  endif()
endif()

if(TARGET jansson::jansson)
  set(Jansson_TARGET jansson::jansson)
endif()
find_package_handle_standard_args(Jansson
  REQUIRED_VARS Jansson_TARGET VERSION_VAR Jansson_VERSION)
