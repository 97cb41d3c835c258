# SPDX-License-Identifier: MIT
# How everything here is compiled.

set(JOBSRV_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    -Wstrict-prototypes -Wmissing-prototypes)
set(JOBSRV_TEST_WARNINGS -Wall -Wextra)
if(JOBSRV_WERROR)
  list(APPEND JOBSRV_WARNINGS -Werror)
  list(APPEND JOBSRV_TEST_WARNINGS -Werror)
endif()

if(JOBSRV_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "JOBSRV_FUZZ needs clang (CC=clang)")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
  if(NOT JOBSRV_SANITIZE)
    set(JOBSRV_SANITIZE address,undefined)
  endif()
endif()

if(JOBSRV_SANITIZE)
  add_compile_options(-fsanitize=${JOBSRV_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${JOBSRV_SANITIZE})
endif()
if(JOBSRV_COVERAGE)
  add_compile_options(--coverage -O0 -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

# jobsrv_compile(target [TEST]): language level, definitions, warnings.
function(jobsrv_compile target)
  set(warnings ${JOBSRV_WARNINGS})
  if("TEST" IN_LIST ARGN)
    set(warnings ${JOBSRV_TEST_WARNINGS})
  endif()
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11
    C_STANDARD_REQUIRED ON
    C_EXTENSIONS OFF)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  # __FILE__ is what the code says of itself, not where it was built
  target_compile_options(${target} PRIVATE ${warnings}
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
endfunction()

# jobsrv_glob(name folder...): name_SOURCES, looked at again in each build.
function(jobsrv_glob name)
  set(sources "")
  foreach(folder IN LISTS ARGN)
    file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
    list(APPEND sources ${found})
  endforeach()
  set(${name}_SOURCES ${sources} PARENT_SCOPE)
endfunction()
