# What Saturn builds on. Everything but LibTorch comes from Debian's packages (scripts/setup.sh installs them).
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(cbc REQUIRED cbc)
if(SATURN_WITH_TESTS)
  find_package(doctest REQUIRED)
endif()

# LibTorch by hand: find_package(Torch) of a CUDA wheel demands nvcc and injects its flags, though a CPU build needs neither.
if(SATURN_WITH_WORKER)
  if(NOT EXISTS "${SATURN_TORCH_DIR}/lib/libtorch_cpu.so" OR NOT EXISTS "${SATURN_TORCH_DIR}/include/ATen/ATen.h")
    message(FATAL_ERROR "No LibTorch in SATURN_TORCH_DIR=${SATURN_TORCH_DIR}: run scripts/setup.sh, which unpacks one there, "
                        "or pass -DSATURN_TORCH_DIR=<the torch folder of a PyTorch or LibTorch>")
  endif()
  add_library(saturn_torch INTERFACE)
  target_include_directories(saturn_torch SYSTEM INTERFACE
    "${SATURN_TORCH_DIR}/include" "${SATURN_TORCH_DIR}/include/torch/csrc/api/include")
  target_link_directories(saturn_torch INTERFACE "${SATURN_TORCH_DIR}/lib")
  # The wheel brings {fmt}'s headers, of another version than Debian's, and they are found first; no library of theirs.
  target_compile_definitions(saturn_torch INTERFACE FMT_HEADER_ONLY)
  # libtorch_cpu of a CUDA wheel names CUDA's runtime; its own RPATH finds it, the linker need not.
  target_link_options(saturn_torch INTERFACE "LINKER:-rpath,${SATURN_TORCH_DIR}/lib" "LINKER:--allow-shlib-undefined")
  target_link_libraries(saturn_torch INTERFACE c10 torch_cpu)
endif()
