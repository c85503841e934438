// THE cost table: cycles on the card's clock, per action. Fitted on the calibration set (docs/performance_model.md names each source).
#pragma once

#include <cstdint>

namespace tt::emulator::cycles {

// RISC-V cores
inline constexpr uint64_t kCbCall = 20;  // one circular-buffer call: counter read, compare, write
inline constexpr uint64_t kSemaphoreCall = 20;
inline constexpr uint64_t kNocIssue = 30;     // programming one NoC command buffer
inline constexpr uint64_t kNocLatency = 250;  // request to first data, from DRAM
inline constexpr uint64_t kNocHop = 9;
inline constexpr uint64_t kNocEndpoints =
    20;                                   // 5 on each of the four ways between a core and its router that a request and its answer take
inline constexpr uint64_t kRiscLoad = 7;  // an L1 load
inline constexpr double kNocBytesPerCycle = 32;
inline constexpr uint64_t kNocMaxBurst = 8192;
inline constexpr double kL1PortBytesPerCycle = 28;  // of a core's L1 to others (core-to-core pipe: 28 of 32 GB/s at 1 GHz, constants.csv)
inline constexpr double kL1NocBytesPerCycle = 655;  // of all L1 buffers together (noc_l1_bisection_model, constants.csv)

// Launch: firmware start on a core (1.5 us at 1.2 GHz)
inline constexpr uint64_t kLaunch = 1800;
inline constexpr uint64_t kDispatchWrite = kNocIssue + kNocLatency;  // a scalar that the dispatch core writes between two launches

// Between hosts: 100 Gb/s Ethernet and TCP from process to process. Nothing of Grayskull's says what stood there; a usual network of
// servers.
inline constexpr double kHostLinkBytesPerSecond = 12.5e9;  // of one host, each way
inline constexpr double kHostLinkSeconds = 20e-6;          // from one process to another, for the first byte

// Compute engine, per 32x32 tile. A datacopy takes 56 cycles per tile and 306 per block of tiles (buda_singlecore_fits.csv, nop).
inline constexpr double kUblock =
    170;  // per block of tiles beside its circular-buffer calls: init, DST hand-over (add 290, nop 306 with them)
inline constexpr double kCopyTile = 30;             // unpack to DST
inline constexpr double kPackTile = 26;             // DST to L1
inline constexpr double kMatmulPhase = 36.5;        // per fidelity phase and tile product (matmul: 36.46)
inline constexpr double kMatmulBlock = 363;         // per block of products (matmul: 363.4)
inline constexpr double kUnpackBytesPerCycle = 25;  // per unpacker: bounds matmul in 16-bit formats (e75_matmul_1core: 81 cycles for 2 KiB)
inline constexpr double kReduceTile = 59;
inline constexpr double kTransposeTile = 64;

}  // namespace tt::emulator::cycles
