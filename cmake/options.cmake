# Warnings and sanitizers, as an interface target that every target of the project links.
add_library(saturn_options INTERFACE)
target_compile_options(saturn_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                                -Woverloaded-virtual -Wno-missing-field-initializers -Werror)
# g++ 12 warns of std::string's operator+ at -O3 without reason (GCC bug 105651).
target_compile_options(saturn_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# In one unit with others a file is not the main file: what its types keep to themselves then looks like a header's.
target_compile_options(saturn_options INTERFACE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>)
target_include_directories(saturn_options INTERFACE "${PROJECT_SOURCE_DIR}/lib" "${PROJECT_BINARY_DIR}/generated")

if(SATURN_SANITIZE STREQUAL "address")
  set(saturn_sanitizers address,undefined)
elseif(SATURN_SANITIZE STREQUAL "thread")
  set(saturn_sanitizers thread)
elseif(SATURN_SANITIZE)
  message(FATAL_ERROR "SATURN_SANITIZE is '${SATURN_SANITIZE}'; it can be 'address', 'thread' or empty")
endif()
if(SATURN_SANITIZE)
  target_compile_options(saturn_options INTERFACE -fsanitize=${saturn_sanitizers} -fno-omit-frame-pointer -g)
  target_link_options(saturn_options INTERFACE -fsanitize=${saturn_sanitizers})
endif()

# Nothing waits for what this target itself computes: a fourth of its compile time is better spent elsewhere.
function(saturn_cold target)
  target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:-O1>")
endfunction()

# saturn_library(NAME SOURCES... [COLD] [LINK TARGETS...]): one static library per folder of lib/.
function(saturn_library name)
  cmake_parse_arguments(ARG "COLD" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_COLD)
    saturn_cold(${name})
  endif()
  target_link_libraries(${name} PUBLIC saturn_options ${ARG_LINK})
endfunction()
