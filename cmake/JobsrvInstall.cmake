# SPDX-License-Identifier: MIT
# What is installed, in the components runtime, devel, testing and daemon.
include(CMakePackageConfigHelpers)

set(JOBSRV_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/jobsrv)
get_property(libraries GLOBAL PROPERTY JOBSRV_LIBRARIES)

foreach(target IN LISTS libraries)
  get_target_property(PC_NAME ${target} JOBSRV_OUTPUT)
  get_target_property(component ${target} JOBSRV_COMPONENT)
  get_target_property(PC_DESCRIPTION ${target} JOBSRV_DESCRIPTION)
  get_target_property(PC_REQUIRES ${target} JOBSRV_REQUIRES)
  get_target_property(PC_REQUIRES_PRIVATE ${target} JOBSRV_REQUIRES_PRIVATE)
  get_target_property(name ${target} EXPORT_NAME)

  # testing is one component: nobody runs a program with it.
  set(runtime runtime)
  if(component STREQUAL "testing")
    set(runtime testing)
  endif()
  install(TARGETS ${target} EXPORT jobsrv-${name}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
      COMPONENT ${runtime} NAMELINK_COMPONENT ${component})
  install(TARGETS ${target}_static EXPORT jobsrv-${name}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component})
  install(EXPORT jobsrv-${name} NAMESPACE jobsrv::
    FILE jobsrv-${name}-targets.cmake
    DESTINATION ${JOBSRV_CMAKEDIR} COMPONENT ${component})

  # The prefix is known for certain only while installing: its @...@ stays. One
  # that is relative is so to where the command is given, not to who compiles.
  set(PC_AT "@")
  configure_file(${PROJECT_SOURCE_DIR}/cmake/jobsrv.pc.in
    ${PROJECT_BINARY_DIR}/${PC_NAME}.pc.in @ONLY)
  install(CODE "
    get_filename_component(PC_PREFIX \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    configure_file(\"${PROJECT_BINARY_DIR}/${PC_NAME}.pc.in\"
                   \"${PROJECT_BINARY_DIR}/${PC_NAME}.pc\" @ONLY)"
    COMPONENT ${component})
  install(FILES ${PROJECT_BINARY_DIR}/${PC_NAME}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT ${component})
endforeach()

file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/jobsrv/*.h)
list(FILTER headers EXCLUDE REGEX "/testing(_sse)?\\.h$")
install(FILES ${headers}
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/jobsrv COMPONENT devel)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/jobsrv/adapters
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/jobsrv COMPONENT devel)
if(TARGET jobsrv_testing)
  install(FILES ${PROJECT_SOURCE_DIR}/include/jobsrv/testing.h
                ${PROJECT_SOURCE_DIR}/include/jobsrv/testing_sse.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/jobsrv COMPONENT testing)
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/jobsrvConfig.cmake.in
  ${PROJECT_BINARY_DIR}/jobsrvConfig.cmake
  INSTALL_DESTINATION ${JOBSRV_CMAKEDIR})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/jobsrvConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/jobsrvConfig.cmake
  ${PROJECT_BINARY_DIR}/jobsrvConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindLLHTTP.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindLibuv.cmake
  DESTINATION ${JOBSRV_CMAKEDIR} COMPONENT devel)

if(TARGET jobsrvd)
  install(TARGETS jobsrvd
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT daemon)
  install(FILES ${PROJECT_SOURCE_DIR}/lib/jobsrvd/jobsrvd.8
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT daemon)
  file(GLOB samples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/jobsrvd/*.json)
  if(samples)
    install(FILES ${samples}
      DESTINATION ${CMAKE_INSTALL_DATADIR}/jobsrv COMPONENT daemon)
  endif()
endif()
