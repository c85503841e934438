// Complex registers: pairs (real, imaginary). c64 is computed in double and rounded once; c128 by the C library.
#include <complex>

#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {
namespace {

using Z = _Complex double;

TT_INLINE Z make(double re, double im) {
  Z z;
  __real__ z = re;
  __imag__ z = im;
  return z;
}
TT_INLINE double re(Z z) { return __real__ z; }
TT_INLINE double im(Z z) { return __imag__ z; }

// C99's complex functions under the names libstdc++ leaves.
Z exp(Z z) { return __builtin_cexp(z); }
Z log(Z z) { return __builtin_clog(z); }
Z sqrt(Z z) { return __builtin_csqrt(z); }
Z sin(Z z) { return __builtin_csin(z); }
Z cos(Z z) { return __builtin_ccos(z); }
Z tan(Z z) { return __builtin_ctan(z); }
Z tanh(Z z) { return __builtin_ctanh(z); }
Z reciprocal(Z z) { return make(1, 0) / z; }
Z rsqrt(Z z) { return reciprocal(__builtin_csqrt(z)); }
Z logistic(Z z) {
  const Z e = __builtin_cexp(re(z) > 0 ? -z : z);
  return re(z) > 0 ? make(1, 0) / (make(1, 0) + e) : e / (make(1, 0) + e);
}
Z expm1(Z z) {  // e^x cos y - 1 = expm1(x) cos y - 2 sin^2(y/2)
  const double x = re(z), y = im(z);
  const double half = __builtin_sin(0.5 * y);
  const double real = __builtin_expm1(x) * __builtin_cos(y) - 2 * half * half;
  return make(real, y == 0 ? y : __builtin_exp(x) * __builtin_sin(y));
}
Z log1p(Z z) {  // |1 + z|^2 - 1 = x (2 + x) + y^2
  const double x = re(z), y = im(z);
  const double size = __builtin_hypot(x, y);
  const double real = size < 0.5 ? 0.5 * __builtin_log1p(x * (2 + x) + y * y) : __builtin_log(__builtin_hypot(1 + x, y));
  return make(real, __builtin_atan2(y, 1 + x));
}
Z sign(Z z) {
  const double x = re(z), y = im(z);
  if (x != x || y != y) return make(__builtin_nan(""), __builtin_nan(""));
  if (x == 0 && y == 0) return z;
  const double size = __builtin_hypot(x, y);
  return make(x / size, y / size);
}
Z cbrt(Z z) {
  const double size = __builtin_cbrt(__builtin_hypot(re(z), im(z))), angle = __builtin_atan2(im(z), re(z)) / 3;
  return make(size * __builtin_cos(angle), size * __builtin_sin(angle));
}
Z atan2(Z y, Z x) {  // -i log((x + i y) / sqrt(x^2 + y^2))
  const Z turned = __builtin_clog((x + make(0, 1) * y) / __builtin_csqrt(x * x + y * y));
  return make(im(turned), -re(turned));
}
// By the real parts, then by the imaginary ones.
bool less(Z a, Z b) { return re(a) == re(b) ? im(a) < im(b) : re(a) < re(b); }
bool at_most(Z a, Z b) { return re(a) == re(b) ? im(a) <= im(b) : re(a) < re(b); }
Z maximum(Z a, Z b) { return less(b, a) ? a : b; }
Z minimum(Z a, Z b) { return less(a, b) ? a : b; }
Z divide(Z a, Z b) { return a / b; }
Z negate(Z z) { return -z; }
Z power(Z a, Z b) {
  if (re(b) == 0 && im(b) == 0) return make(1, 0);
  if (re(a) == 0 && im(a) == 0)
    return re(b) > 0 ? make(0, 0) : re(b) < 0 ? make(__builtin_inf(), __builtin_nan("")) : make(__builtin_nan(""), __builtin_nan(""));
  return __builtin_cpow(a, b);
}

template <class P>
struct ComplexSteps {
  TT_INLINE static Z at(const void* reg, size_t i) {
    return make(static_cast<const P*>(reg)[2 * i], static_cast<const P*>(reg)[2 * i + 1]);
  }
  TT_INLINE static void put(void* reg, size_t i, Z z) {
    static_cast<P*>(reg)[2 * i] = static_cast<P>(re(z));
    static_cast<P*>(reg)[2 * i + 1] = static_cast<P>(im(z));
  }
  template <Z (*f)(Z)>
  static void call1(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) put(s.dst, i, f(at(s.a, i)));
  }
  template <Z (*f)(Z, Z)>
  static void call2(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) put(s.dst, i, f(at(s.a, i), at(s.b, i)));
  }
  // On the parts, each a real: sums round once, and products as XLA's do, each step in the lane.
  template <class F>
  TT_INLINE static void parts(const StepArguments& s, F f) {
    StepArguments twice = s;
    twice.n = 2 * padded(s.n);
    map2<P>(twice, f);
  }
  static void multiply_lane(const StepArguments& s) {
    const auto *a = static_cast<const P*>(s.a), *b = static_cast<const P*>(s.b);
    auto* dst = static_cast<P*>(s.dst);
    for (size_t i = 0, n = padded(s.n); i < n; ++i) {
      const P ar = a[2 * i], ai = a[2 * i + 1], br = b[2 * i], bi = b[2 * i + 1];
      dst[2 * i] = ar * br - ai * bi;
      dst[2 * i + 1] = ar * bi + ai * br;
    }
  }
  static void multiply_add(const StepArguments& s) {
    alignas(64) P product[2 * kTileElements];
    StepArguments first = s;
    first.dst = product;
    multiply_lane(first);
    first = s;
    first.a = product;
    first.b = s.c;
    parts(first, [](auto a, auto b) { return a + b; });
  }
  static void absolute(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) {
      const double x = re(at(s.a, i)), y = im(at(s.a, i));
      if constexpr (sizeof(P) == sizeof(double)) {
        static_cast<P*>(s.dst)[i] = __builtin_hypot(x, y);
      } else {  // no square of a float leaves the range of double; an infinity beside a NaN counts
        const double size = __builtin_sqrt(x * x + y * y), infinite = __builtin_inf();
        static_cast<P*>(s.dst)[i] = static_cast<P>(__builtin_fabs(x) == infinite || __builtin_fabs(y) == infinite ? infinite : size);
      }
    }
  }
  static void real(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) static_cast<P*>(s.dst)[i] = static_cast<const P*>(s.a)[2 * i];
  }
  static void imag(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) static_cast<P*>(s.dst)[i] = static_cast<const P*>(s.a)[2 * i + 1];
  }
  static void is_finite(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) {
      const Z z = at(s.a, i);
      static_cast<uint32_t*>(s.dst)[i] = re(z) - re(z) == 0 && im(z) - im(z) == 0;
    }
  }
  template <bool equal>
  static void compare(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) {
      const Z a = at(s.a, i), b = at(s.b, i);
      static_cast<uint32_t*>(s.dst)[i] = (re(a) == re(b) && im(a) == im(b)) == equal;
    }
  }
  template <bool (*order)(Z, Z), bool turned = false>
  static void compare_parts(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) {
      const Z a = at(s.a, i), b = at(s.b, i);
      static_cast<uint32_t*>(s.dst)[i] = turned ? order(b, a) : order(a, b);
    }
  }
  static void clamp(const StepArguments& s) {
    for (size_t i = 0; i < s.n; ++i) put(s.dst, i, minimum(maximum(at(s.b, i), at(s.a, i)), at(s.c, i)));
  }
  static void combine(const StepArguments& s) {
    const auto *a = static_cast<const P*>(s.a), *b = static_cast<const P*>(s.b);
    auto* dst = static_cast<P*>(s.dst);
    for (size_t i = 0; i < s.n; ++i) {
      dst[2 * i] = a[i];
      dst[2 * i + 1] = b[i];
    }
  }

  static constexpr StepRow kSteps[] = {
      {TileOpcode::kAdd, [](const StepArguments& s) { parts(s, [](auto a, auto b) { return a + b; }); }},
      {TileOpcode::kSub, [](const StepArguments& s) { parts(s, [](auto a, auto b) { return a - b; }); }},
      {TileOpcode::kMul, multiply_lane},
      {TileOpcode::kMulAdd, multiply_add},
      {TileOpcode::kDiv, call2<divide>},
      {TileOpcode::kPow, call2<power>},
      {TileOpcode::kAtan2, call2<atan2>},
      {TileOpcode::kMax, call2<maximum>},
      {TileOpcode::kMin, call2<minimum>},
      {TileOpcode::kClamp, clamp},
      {TileOpcode::kNegate, call1<negate>},
      {TileOpcode::kSign, call1<sign>},
      {TileOpcode::kExp, call1<exp>},
      {TileOpcode::kExpm1, call1<expm1>},
      {TileOpcode::kLog, call1<log>},
      {TileOpcode::kLog1p, call1<log1p>},
      {TileOpcode::kSqrt, call1<sqrt>},
      {TileOpcode::kRsqrt, call1<rsqrt>},
      {TileOpcode::kRecip, call1<reciprocal>},
      {TileOpcode::kCbrt, call1<cbrt>},
      {TileOpcode::kLogistic, call1<logistic>},
      {TileOpcode::kTanh, call1<tanh>},
      {TileOpcode::kSin, call1<sin>},
      {TileOpcode::kCos, call1<cos>},
      {TileOpcode::kTan, call1<tan>},
      {TileOpcode::kAbs, absolute},
      {TileOpcode::kReal, real},
      {TileOpcode::kImag, imag},
      {TileOpcode::kIsFinite, is_finite},
      {TileOpcode::kEq, compare<true>},
      {TileOpcode::kNe, compare<false>},
      {TileOpcode::kLt, compare_parts<less>},
      {TileOpcode::kLe, compare_parts<at_most>},
      {TileOpcode::kGt, compare_parts<less, true>},
      {TileOpcode::kGe, compare_parts<at_most, true>},
  };
  static constexpr StepRow kCombine[] = {{TileOpcode::kComplex, combine}};
};

}  // namespace

void install_complex(Engine& engine) {
  install(engine, Lane::kC64, ComplexSteps<float>::kSteps);
  install(engine, Lane::kC128, ComplexSteps<double>::kSteps);
  install(engine, Lane::kF32, ComplexSteps<float>::kCombine);
  install(engine, Lane::kF64, ComplexSteps<double>::kCombine);
}

}  // namespace tt::emulator::TT_SIMD
