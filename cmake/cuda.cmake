# What saturn-cuda.so is built on: the CUDA toolkit's and NCCL's headers and libraries (no nvcc, no GPU), and a LibTorch
# with CUDA. Targets: saturn_nccl, saturn_torch_cuda; neither is there when the module is not built.
set(SATURN_WITH_CUDA AUTO CACHE STRING "Build saturn-cuda.so: ON, OFF, or AUTO = where CUDA, NCCL and a LibTorch with CUDA are")
set_property(CACHE SATURN_WITH_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT SATURN_WITH_WORKER OR SATURN_WITH_CUDA STREQUAL "OFF")
  return()
endif()

# NCCL and the runtime are also in the wheels that PyTorch's wheel asks for; those are the ones it runs with.
file(GLOB saturn_nvidia LIST_DIRECTORIES true "${SATURN_TORCH_DIR}/../nvidia/*")
set(saturn_cuda_hints ${saturn_nvidia} ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda)
# A folder with all of CUDA's headers: of the wheels, crt/ is in one of its own.
find_path(SATURN_CUDA_INCLUDE crt/host_config.h HINTS ${saturn_cuda_hints} PATH_SUFFIXES include)
find_path(SATURN_NCCL_INCLUDE nccl.h HINTS ${saturn_cuda_hints} PATH_SUFFIXES include)
find_library(SATURN_CUDART NAMES cudart libcudart.so.13 libcudart.so.12 NAMES_PER_DIR HINTS ${saturn_cuda_hints} PATH_SUFFIXES lib lib64)
find_library(SATURN_NCCL NAMES nccl libnccl.so.2 NAMES_PER_DIR HINTS ${saturn_cuda_hints} PATH_SUFFIXES lib lib64)
find_library(SATURN_TORCH_CUDA torch_cuda HINTS "${SATURN_TORCH_DIR}/lib" NO_DEFAULT_PATH)

set(saturn_cuda_missing "")
foreach(what SATURN_CUDA_INCLUDE SATURN_NCCL_INCLUDE SATURN_CUDART SATURN_NCCL SATURN_TORCH_CUDA)
  if(NOT ${what})
    list(APPEND saturn_cuda_missing ${what})
  endif()
endforeach()
# LibTorch and the headers must be of one major version of CUDA.
if(NOT saturn_cuda_missing)
  file(STRINGS "${SATURN_TORCH_DIR}/lib/libc10_cuda.so" saturn_torch_cudart REGEX "libcudart[^ ]*\\.so\\.[0-9]+" LIMIT_COUNT 1)
  file(STRINGS "${SATURN_CUDA_INCLUDE}/cuda_runtime_api.h" saturn_cuda_version REGEX "define +CUDART_VERSION +[0-9]+")
  string(REGEX REPLACE ".*\\.so\\.([0-9]+).*" "\\1" saturn_torch_cudart "${saturn_torch_cudart}")
  string(REGEX REPLACE ".*CUDART_VERSION +([0-9]+)[0-9][0-9][0-9].*" "\\1" saturn_cuda_version "${saturn_cuda_version}")
  if(NOT saturn_torch_cudart STREQUAL saturn_cuda_version)
    list(APPEND saturn_cuda_missing "CUDA ${saturn_torch_cudart}, for which LibTorch was built (found: ${saturn_cuda_version})")
  endif()
endif()
if(saturn_cuda_missing)
  list(JOIN saturn_cuda_missing ", " saturn_cuda_missing)
  if(SATURN_WITH_CUDA STREQUAL "ON")
    message(FATAL_ERROR "SATURN_WITH_CUDA is ON, but these are missing: ${saturn_cuda_missing}")
  endif()
  message(STATUS "Without saturn-cuda.so (for GPUs); missing: ${saturn_cuda_missing}")
  return()
endif()

add_library(saturn_nccl INTERFACE)
target_include_directories(saturn_nccl SYSTEM INTERFACE "${SATURN_CUDA_INCLUDE}" "${SATURN_NCCL_INCLUDE}")

# Nothing calls into libtorch_cuda by name: what it registers is what is wanted.
add_library(saturn_torch_cuda INTERFACE)
list(TRANSFORM saturn_nvidia REPLACE "(.+)" "LINKER:-rpath,\\1/lib" OUTPUT_VARIABLE saturn_nvidia_rpaths)
target_link_options(saturn_torch_cuda INTERFACE ${saturn_nvidia_rpaths})
target_link_libraries(saturn_torch_cuda INTERFACE saturn_torch
  "-Wl,--push-state,--no-as-needed" torch_cuda "-Wl,--pop-state" c10_cuda "${SATURN_NCCL}" "${SATURN_CUDART}")
