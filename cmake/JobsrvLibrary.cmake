# SPDX-License-Identifier: MIT

# jobsrv_objects(target SOURCES ... USE target...): objects that both the
# shared and the static form of a library are made of.
function(jobsrv_objects target)
  cmake_parse_arguments(O "" "" "SOURCES;USE" ${ARGN})
  if(NOT O_SOURCES)
    return()
  endif()
  add_library(${target} OBJECT ${O_SOURCES})
  jobsrv_compile(${target})
  set_target_properties(${target} PROPERTIES
    C_VISIBILITY_PRESET hidden
    POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target} PRIVATE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/lib)
  # For a target in an OBJECT library PRIVATE linking is usage only: include
  # folders and definitions.
  target_link_libraries(${target} PRIVATE ${O_USE})
endfunction()

# jobsrv_library(name ...): one library of the family, in two forms.
#
#   DESCRIPTION   for the .pc file
#   SOURCES       its own
#   OBJECTS       object libraries that go in whole (base, the parser)
#   LINK          names of the family, public
#   PRIVATE_LINK  targets that no public header shows
#   PC_PRIVATE    pkg-config names of those
#   EXPORTS       version script
#   COMPONENT     of what a developer needs (default: devel)
#
# Makes jobsrv (from "jobsrv") or jobsrv_sse (from "sse"), the same with
# _static, the aliases jobsrv::NAME and jobsrv::NAME_static, and remembers in
# JOBSRV_LIBRARIES what is to be installed.
function(jobsrv_library name)
  cmake_parse_arguments(L "" "DESCRIPTION;EXPORTS;COMPONENT"
    "SOURCES;OBJECTS;LINK;PRIVATE_LINK;PC_PRIVATE" ${ARGN})
  set(target jobsrv_${name})
  set(output jobsrv-${name})
  if(name STREQUAL "jobsrv")
    set(target jobsrv)
    set(output jobsrv)
  endif()
  if(NOT L_COMPONENT)
    set(L_COMPONENT devel)
  endif()

  jobsrv_objects(${target}_objects SOURCES ${L_SOURCES} USE ${L_PRIVATE_LINK})
  set(objects $<TARGET_OBJECTS:${target}_objects>)
  foreach(object IN LISTS L_OBJECTS)
    if(TARGET ${object})
      list(APPEND objects $<TARGET_OBJECTS:${object}>)
      target_include_directories(${target}_objects SYSTEM PRIVATE
        $<TARGET_PROPERTY:${object},INTERFACE_INCLUDE_DIRECTORIES>)
      target_compile_definitions(${target}_objects PRIVATE
        $<TARGET_PROPERTY:${object},INTERFACE_COMPILE_DEFINITIONS>)
    endif()
  endforeach()

  add_library(${target} SHARED ${objects})
  add_library(${target}_static STATIC ${objects})
  foreach(form "" _static)
    add_library(jobsrv::${name}${form} ALIAS ${target}${form})
    target_include_directories(${target}${form} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    list(TRANSFORM L_LINK APPEND "${form}" OUTPUT_VARIABLE family)
    list(TRANSFORM family PREPEND "jobsrv::")
    target_link_libraries(${target}${form}
      PUBLIC ${family} PRIVATE ${L_PRIVATE_LINK})
    set_target_properties(${target}${form} PROPERTIES
      OUTPUT_NAME ${output}
      EXPORT_NAME ${name}${form}
      LINKER_LANGUAGE C)
  endforeach()

  set_target_properties(${target} PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    INSTALL_RPATH "$ORIGIN")
  if(NOT APPLE)
    set(map ${PROJECT_SOURCE_DIR}/${L_EXPORTS})
    target_link_options(${target} PRIVATE "LINKER:--version-script=${map}")
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${map})
    # A sanitizer's own symbols come from the program.
    if(NOT JOBSRV_SANITIZE)
      target_link_options(${target} PRIVATE "LINKER:--no-undefined")
    endif()
  endif()

  set_property(GLOBAL APPEND PROPERTY JOBSRV_LIBRARIES ${target})
  # Their .pc files are named as their outputs are.
  list(TRANSFORM L_LINK REPLACE "(.+)" "jobsrv-\\1 = ${PROJECT_VERSION}")
  list(TRANSFORM L_LINK REPLACE "^jobsrv-jobsrv " "jobsrv ")
  list(JOIN L_LINK ", " requires)
  list(JOIN L_PC_PRIVATE ", " requires_private)
  set_target_properties(${target} PROPERTIES
    JOBSRV_OUTPUT ${output}
    JOBSRV_COMPONENT ${L_COMPONENT}
    JOBSRV_DESCRIPTION "${L_DESCRIPTION}"
    JOBSRV_REQUIRES "${requires}"
    JOBSRV_REQUIRES_PRIVATE "${requires_private}")
endfunction()
