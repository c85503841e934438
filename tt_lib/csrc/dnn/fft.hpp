// Discrete Fourier transforms over the last one to three dimensions, any length.
#pragma once

#include <string>
#include <vector>

#include "dnn/operand.hpp"

namespace tt::dnn {

enum class FftKind : uint8_t { kFft, kIfft, kRfft, kIrfft };

// StableHLO's fft. kFft, kIfft: complex to complex; kRfft: real to the non-negative frequencies; kIrfft: back to real.
struct FftSpec {
  std::string name = "fft";
  FftKind kind;
  DataType type;    // of the operand: c64 or c128; f32 or f64 for kRfft
  Dims dims;        // of the operand
  Dims fft_length;  // of the transform, one per transformed dimension
};

// One program per transformed dimension; slots: from, to. Where both are the same array, the program runs in place.
struct FftStages {
  enum class Array : uint8_t { kOperand, kScratch, kResult };
  struct Stage {
    Program program;
    Array from;
    Array to;
  };
  std::vector<Stage> stages;
  int64_t scratch_bytes = 0;  // 0: no stage needs scratch
};

Dims fft_result_dims(const FftSpec& spec);
DataType fft_result_type(const FftSpec& spec);
FftStages fft(const FftSpec& spec, const ChipSpec& chip);

}  // namespace tt::dnn
