# SPDX-License-Identifier: MIT
# FindLibuv - libuv by its package configuration, else by libuv.pc.
#
# Debian 12's libuv1-dev (1.44.2) has libuv.pc and no libuvConfig.cmake.
# Result: Libuv_FOUND, Libuv_VERSION and the target libuv::uv.

include(FindPackageHandleStandardArgs)

if(NOT TARGET libuv::uv)
  find_package(libuv CONFIG QUIET)
  set(Libuv_VERSION "${libuv_VERSION}")
endif()

if(NOT TARGET libuv::uv)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(PC_LIBUV QUIET IMPORTED_TARGET GLOBAL libuv)
  endif()
  if(TARGET PkgConfig::PC_LIBUV)
    set(Libuv_VERSION "${PC_LIBUV_VERSION}")
    # A target of its own, not an alias: an export set records the real name.
    add_library(libuv::uv INTERFACE IMPORTED GLOBAL)
    target_link_libraries(libuv::uv INTERFACE PkgConfig::PC_LIBUV)
  endif()
endif()

if(TARGET libuv::uv)
  set(Libuv_TARGET libuv::uv)
endif()
find_package_handle_standard_args(Libuv
  REQUIRED_VARS Libuv_TARGET VERSION_VAR Libuv_VERSION)
