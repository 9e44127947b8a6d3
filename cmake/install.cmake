# PREFIX/bin (programs), PREFIX/lib/saturn (parallelisms), PREFIX/share/saturn (workloads, licence). saturn finds its
# parallelisms from its own place (../lib/saturn/parallelisms): the names are fixed, and the prefix can be moved.
set(saturn_lib lib/saturn)
set(saturn_share share/saturn)

foreach(program saturn saturn-worker)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION bin)
  endif()
endforeach()

if(TARGET saturn_train)  # beside the parallelisms, which need it too
  install(TARGETS saturn_train LIBRARY DESTINATION "${saturn_lib}")
endif()
if(TARGET saturn_cuda)  # the worker looks for it beside saturn_train
  install(TARGETS saturn_cuda LIBRARY DESTINATION "${saturn_lib}")
endif()

get_property(parallelisms GLOBAL PROPERTY SATURN_PARALLELISMS)
foreach(name ${parallelisms})
  install(FILES "parallelisms/${name}/parallelism.yaml" DESTINATION "${saturn_lib}/parallelisms/${name}")
  if(TARGET parallelism_${name})
    install(TARGETS parallelism_${name} LIBRARY DESTINATION "${saturn_lib}/parallelisms/${name}")
  endif()
endforeach()

install(DIRECTORY workloads/ DESTINATION "${saturn_share}/workloads")
install(CODE "set(saturn_workloads \"\${CMAKE_INSTALL_PREFIX}/${saturn_share}/workloads\")
set(saturn_torch \"${SATURN_TORCH_DIR}\")")
install(SCRIPT cmake/install_workloads.cmake)
install(FILES parallelisms/command/saturn.py DESTINATION "${saturn_share}/python")
install(FILES lib/plan/plan.schema.json lib/profile/profile.schema.json DESTINATION "${saturn_share}/schemas")
install(FILES LICENSE DESTINATION "${saturn_share}")

# What parallelisms and models of one's own are built with: headers, and a CMake package that finds the rest from its own place.
if(TARGET saturn_train)
  install(CODE "set(saturn_source \"${PROJECT_SOURCE_DIR}\")")
  install(SCRIPT cmake/install_headers.cmake)
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" saturn_torch_version "${SATURN_TORCH_DIR}")
  configure_file(cmake/SaturnConfig.cmake.in "${PROJECT_BINARY_DIR}/package/SaturnConfig.cmake" @ONLY)
  include(CMakePackageConfigHelpers)
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/SaturnConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
  install(DIRECTORY "${PROJECT_BINARY_DIR}/package/" DESTINATION lib/cmake/Saturn)
  install(DIRECTORY templates/ DESTINATION "${saturn_share}/templates" PATTERN build EXCLUDE)
endif()
