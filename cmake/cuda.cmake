# libmuai-cuda.so, by nvcc, and libmuai-cuda-emulated.so, by a C++ compiler against the emulator of
# tests/cuda. Languages can be enabled at the top level only, so this is no function.
include(CheckLanguage)
file(GLOB cuda_sources CONFIGURE_DEPENDS src/backend/cuda/*.cu)
set(cuda_c_sources src/base/status.c) # what the kernels' side needs of the rest

# For a GPU. Builds with instruments are for tests, and those run on the emulator.
set(with_cuda OFF)
if(NOT MUAI_CUDA STREQUAL "OFF" AND NOT MUAI_SANITIZE AND NOT MUAI_FUZZ AND NOT MUAI_COVERAGE)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
        set(with_cuda ON)
    elseif(MUAI_CUDA STREQUAL "AUTO")
        message(STATUS "no nvcc: libmuai-cuda.so is not built, no GPU will be used")
    else()
        message(FATAL_ERROR "MUAI_CUDA=${MUAI_CUDA}: no nvcc. Put it on PATH, or set CUDACXX to it")
    endif()
endif()
if(with_cuda)
    if(NOT CMAKE_CUDA_ARCHITECTURES) # Ampere and Hopper as machine code; PTX for what came after
        set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
    endif()
    enable_language(CUDA)
    add_library(muai-cuda SHARED ${cuda_sources} ${cuda_c_sources})
    set_target_properties(muai-cuda PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON
                          CUDA_RUNTIME_LIBRARY Static C_VISIBILITY_PRESET hidden
                          CUDA_VISIBILITY_PRESET hidden)
    # Multiplications and additions are fused where the source says fmaf(), not where inlining
    # happens to allow it: the same code in two kernels has to give the same bits.
    target_compile_options(muai-cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false>)
    install(TARGETS muai-cuda LIBRARY DESTINATION lib/muai)
endif()

# For tests. The thread sanitizer does not know fibers.
set(with_emulated OFF)
if(NOT MUAI_SANITIZE MATCHES "thread" AND NOT MUAI_FUZZ AND NOT MUAI_COVERAGE)
    check_language(CXX)
    if(CMAKE_CXX_COMPILER)
        set(with_emulated ON)
    else()
        message(STATUS "no C++ compiler: the CUDA kernels are not tested")
    endif()
endif()
if(with_emulated)
    enable_language(CXX)
    file(GLOB emulator_sources CONFIGURE_DEPENDS tests/cuda/emulator/*.cpp)
    set(emulated_sources "") # a file has one language: these include the .cu files
    foreach(source ${cuda_sources})
        get_filename_component(stem ${source} NAME_WE)
        file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/emulated/${stem}.cpp
             CONTENT "#include \"${source}\"\n")
        list(APPEND emulated_sources ${CMAKE_BINARY_DIR}/emulated/${stem}.cpp)
    endforeach()
    add_library(muai-cuda-emulated SHARED ${emulated_sources} ${emulator_sources} ${cuda_c_sources})
    target_include_directories(muai-cuda-emulated BEFORE PRIVATE tests/cuda/emulator)
    target_compile_options(muai-cuda-emulated PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-unknown-pragmas>)
    set_target_properties(muai-cuda-emulated PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON
                          C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden)
    target_link_libraries(muai-cuda-emulated PRIVATE Threads::Threads)
endif()
