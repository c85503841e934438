# The tile engines: every source of emulator/simd compiled once per instruction set, each into its own namespace; one is chosen at load.
set(simd_dir ${CMAKE_CURRENT_SOURCE_DIR}/tt_lib/csrc/emulator/simd)
file(GLOB simd_sources CONFIGURE_DEPENDS RELATIVE ${simd_dir} ${simd_dir}/*.cpp)

set(simd_flags_portable -O2 -mno-avx)  # for hosts of before 2013
set(simd_flags_avx2 -O3 -mavx2 -mfma -mf16c)
# GCC 12 warns of its own AVX-512 headers.
set(simd_flags_avx512 -O3 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
    -Wno-maybe-uninitialized)

# Instructions that not every host with AVX-512 has.
set(own_flags_matmul_bf16.cpp -mavx512bf16)
set(own_flags_matmul_amx.cpp -mamx-tile -mamx-bf16)

foreach(simd portable avx2 avx512)
  foreach(source ${simd_sources})
    # A one-line source per pair, because CMake compiles a file once per target.
    set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/simd/${simd}_${source})
    set(text "#include \"emulator/simd/${source}\"\n")
    if(DEFINED own_flags_${source} AND NOT simd STREQUAL avx512)
      continue()
    endif()
    file(CONFIGURE OUTPUT ${wrapper} CONTENT "${text}" @ONLY)
    set(flags -Wno-ignored-attributes -Wno-psabi -DTT_SIMD=${simd} ${simd_flags_${simd}})
    list(APPEND flags ${own_flags_${source}})
    if(TT_SANITIZE)
      list(APPEND flags -O1 -Wno-uninitialized)  # checked code takes minutes to optimize; so, GCC 12 warns of its own headers
    endif()
    if(source STREQUAL f32_functions.cpp)
      list(APPEND flags -fschedule-insns)
    endif()
    set_source_files_properties(${wrapper} PROPERTIES COMPILE_OPTIONS "${flags}" OBJECT_DEPENDS ${simd_dir}/${source})
    target_sources(tt_emulator PRIVATE ${wrapper})
  endforeach()
endforeach()

if(TT_BUILD_TESTS AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/tests/bench/tile_bench.cpp)
  add_executable(tile_bench tests/bench/tile_bench.cpp)
  target_include_directories(tile_bench PRIVATE tt_lib/csrc)
  target_link_libraries(tile_bench PRIVATE tt_options tt_emulator tt_base)
endif()
