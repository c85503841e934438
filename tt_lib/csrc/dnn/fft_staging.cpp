// Lines are interleaved in three steps of pairs, a block of elements at a time, which vectors can do.
#include "dnn/fft_staging.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dnn/instruction_sets.hpp"

namespace tt::dnn {
namespace {

constexpr int64_t kBlock = 64;  // elements of each of kMostLines lines
static_assert(kMostLines == 8, "three steps");

template <class T>
struct Block {
  T lines[kMostLines * kBlock];  // line by line
  T work[kMostLines * kBlock];
};

template <class T>
[[gnu::always_inline]] inline void interleave(const T* __restrict a, const T* __restrict b, T* __restrict to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    to[2 * i] = a[i];
    to[2 * i + 1] = b[i];
  }
}

template <class T>
[[gnu::always_inline]] inline void separate(const T* __restrict from, T* __restrict a, T* __restrict b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    a[i] = from[2 * i];
    b[i] = from[2 * i + 1];
  }
}

// The lines' elements side by side in `to`.
template <class T>
[[gnu::always_inline]] inline void interleave_lines(Block<T>& block, T* to) {
  for (int64_t v = 0; v < 4; ++v) interleave(block.lines + v * kBlock, block.lines + (v + 4) * kBlock, block.work + v * 2 * kBlock, kBlock);
  for (int64_t v = 0; v < 2; ++v) {
    interleave(block.work + v * 2 * kBlock, block.work + (v + 2) * 2 * kBlock, block.lines + v * 4 * kBlock, 2 * kBlock);
  }
  interleave(block.lines, block.lines + 4 * kBlock, to, 4 * kBlock);
}

template <class T>
[[gnu::always_inline]] inline void separate_lines(const T* from, Block<T>& block) {
  separate(from, block.lines, block.lines + 4 * kBlock, 4 * kBlock);
  for (int64_t v = 0; v < 2; ++v) {
    separate(block.lines + v * 4 * kBlock, block.work + v * 2 * kBlock, block.work + (v + 2) * 2 * kBlock, 2 * kBlock);
  }
  for (int64_t v = 0; v < 4; ++v) separate(block.work + v * 2 * kBlock, block.lines + v * kBlock, block.lines + (v + 4) * kBlock, kBlock);
}

// Whether the lines are neighbours: element t of all of them is one piece of memory.
bool are_neighbours(const LinePlaces& places) {
  if (places.step < places.count * places.parts) return false;
  for (int64_t v = 1; v < places.count; ++v) {
    if (places.starts[static_cast<size_t>(v)] != places.starts[0] + v * places.parts) return false;
  }
  return true;
}

bool in_blocks(const LinePlaces& places) { return places.count == kMostLines && places.step == places.parts; }

}  // namespace

template <class T>
void gather_lines(const T* from, const LinePlaces& places, int64_t n, SplitComplex<T> to) {
  const int64_t count = places.count, step = places.step;
  const bool real = places.parts == 1;
  run_on_host<T>([&]() TT_LOOP {
    int64_t t = 0;
    if (are_neighbours(places)) {
      for (; t < n; ++t) {
        const T* piece = from + places.starts[0] + t * step;
        for (int64_t v = 0; v < count; ++v) {
          to.re[t * count + v] = real ? piece[v] : piece[2 * v];
          to.im[t * count + v] = real ? T{0} : piece[2 * v + 1];
        }
      }
    } else if (in_blocks(places) && !real) {
      Block<T> re, im;
      for (; t + kBlock <= n; t += kBlock) {
        for (size_t v = 0; v < kMostLines; ++v) {
          const int64_t at = static_cast<int64_t>(v) * kBlock;
          separate(from + places.starts[v] + 2 * t, re.lines + at, im.lines + at, kBlock);
        }
        interleave_lines(re, to.re + t * kMostLines);
        interleave_lines(im, to.im + t * kMostLines);
      }
    }
    for (; t < n; ++t) {
      for (int64_t v = 0; v < count; ++v) {
        const T* element = from + places.starts[static_cast<size_t>(v)] + t * step;
        to.re[t * count + v] = element[0];
        to.im[t * count + v] = real ? T{0} : element[1];
      }
    }
  });
}

template <class T>
void scatter_lines(SplitComplex<T> from, T scale, const LinePlaces& places, int64_t n, T* to) {
  const int64_t count = places.count, step = places.step;
  const bool real = places.parts == 1;
  run_on_host<T>([&]() TT_LOOP {
    int64_t t = 0;
    if (are_neighbours(places) && !real) {
      for (; t < n; ++t) {
        T* piece = to + places.starts[0] + t * step;
        for (int64_t v = 0; v < count; ++v) {
          piece[2 * v] = from.re[t * count + v] * scale;
          piece[2 * v + 1] = from.im[t * count + v] * scale;
        }
      }
    } else if (in_blocks(places) && !real) {
      Block<T> re, im;
      for (; t + kBlock <= n; t += kBlock) {
        separate_lines(from.re + t * kMostLines, re);
        separate_lines(from.im + t * kMostLines, im);
        for (size_t v = 0; v < kMostLines; ++v) {
          const int64_t at = static_cast<int64_t>(v) * kBlock;
          T* line = to + places.starts[v] + 2 * t;
          for (int64_t i = 0; i < kBlock; ++i) {
            line[2 * i] = re.lines[at + i] * scale;
            line[2 * i + 1] = im.lines[at + i] * scale;
          }
        }
      }
    }
    for (; t < n; ++t) {
      for (int64_t v = 0; v < count; ++v) {
        T* element = to + places.starts[static_cast<size_t>(v)] + t * step;
        element[0] = from.re[t * count + v] * scale;
        if (!real) element[1] = from.im[t * count + v] * scale;
      }
    }
  });
}

template <class T>
RealLength<T>::RealLength(int64_t n) : half_(n / 2) {
  for (int64_t k = 0; k <= half_ / 2; ++k) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    cosines_.push_back(static_cast<T>(std::cos(angle)));
    sines_.push_back(static_cast<T>(std::sin(angle)));
  }
}

// With z the transform of x[2 t] + i x[2 t + 1]: E and O, those of even and of odd elements, are its parts with and without the symmetry of
// a real line's, and X[k] = E[k] + w^k O[k].
template <class T>
void RealLength<T>::split(SplitComplex<T> data, int64_t lines) const {
  run_on_host<T>([&]() TT_LOOP {
    for (int64_t v = 0; v < lines; ++v) {
      const T re = data.re[v], im = data.im[v];
      data.re[v] = re + im;
      data.re[half_ * lines + v] = re - im;
      data.im[v] = data.im[half_ * lines + v] = 0;
    }
    for (int64_t k = 1; k <= half_ / 2; ++k) {
      const T c = cosines_[static_cast<size_t>(k)], d = sines_[static_cast<size_t>(k)];
      T *a_re = data.re + k * lines, *a_im = data.im + k * lines;
      T *b_re = data.re + (half_ - k) * lines, *b_im = data.im + (half_ - k) * lines;
#pragma GCC ivdep
      for (int64_t v = 0; v < lines; ++v) {
        const T even_re = (a_re[v] + b_re[v]) / 2, even_im = (a_im[v] - b_im[v]) / 2;
        const T odd_re = (a_im[v] + b_im[v]) / 2, odd_im = (b_re[v] - a_re[v]) / 2;
        const T turned_re = odd_re * c - odd_im * d, turned_im = odd_re * d + odd_im * c;
        a_re[v] = even_re + turned_re;
        a_im[v] = even_im + turned_im;
        b_re[v] = even_re - turned_re;
        b_im[v] = turned_im - even_im;
      }
    }
  });
}

template <class T>
void RealLength<T>::join(SplitComplex<T> data, int64_t lines) const {
  run_on_host<T>([&]() TT_LOOP {
    for (int64_t v = 0; v < lines; ++v) {  // the first and the last element are real
      const T first = data.re[v], last = data.re[half_ * lines + v];
      data.re[v] = first + last;
      data.im[v] = first - last;
    }
    for (int64_t k = 1; k <= half_ / 2; ++k) {
      const T c = cosines_[static_cast<size_t>(k)], d = sines_[static_cast<size_t>(k)];
      T *a_re = data.re + k * lines, *a_im = data.im + k * lines;
      T *b_re = data.re + (half_ - k) * lines, *b_im = data.im + (half_ - k) * lines;
#pragma GCC ivdep
      for (int64_t v = 0; v < lines; ++v) {
        const T even_re = a_re[v] + b_re[v], even_im = a_im[v] - b_im[v];
        const T turned_re = a_re[v] - b_re[v], turned_im = a_im[v] + b_im[v];
        const T odd_re = turned_re * c + turned_im * d, odd_im = turned_im * c - turned_re * d;
        a_re[v] = even_re - odd_im;
        a_im[v] = even_im + odd_re;
        b_re[v] = even_re + odd_im;
        b_im[v] = odd_re - even_im;
      }
    }
  });
}

template void gather_lines(const float*, const LinePlaces&, int64_t, SplitComplex<float>);
template void gather_lines(const double*, const LinePlaces&, int64_t, SplitComplex<double>);
template void scatter_lines(SplitComplex<float>, float, const LinePlaces&, int64_t, float*);
template void scatter_lines(SplitComplex<double>, double, const LinePlaces&, int64_t, double*);
template class RealLength<float>;
template class RealLength<double>;

}  // namespace tt::dnn
