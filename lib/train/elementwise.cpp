// SPDX-License-Identifier: Apache-2.0
#include "train/elementwise.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

// Each loop is compiled for three levels of x86 and chosen at run time. Not by target_clones: its resolvers
// run before the sanitizers are set up.
#define SATURN_INLINE [[gnu::always_inline]] inline
#if defined(__x86_64__)
#define SATURN_DISPATCH(name, parameters, ...)                  \
  [[gnu::target("arch=x86-64-v4")]] void name##_v4 parameters { \
    name##_loop(__VA_ARGS__);                                   \
  }                                                             \
  [[gnu::target("arch=x86-64-v3")]] void name##_v3 parameters { \
    name##_loop(__VA_ARGS__);                                   \
  }                                                             \
  void name##_any parameters {                                  \
    switch (cpu_level()) {                                      \
      case 4:                                                   \
        return name##_v4(__VA_ARGS__);                          \
      case 3:                                                   \
        return name##_v3(__VA_ARGS__);                          \
      default:                                                  \
        return name##_loop(__VA_ARGS__);                        \
    }                                                           \
  }
#else
#define SATURN_DISPATCH(name, parameters, ...) \
  void name##_any parameters {                 \
    name##_loop(__VA_ARGS__);                  \
  }
#endif

namespace saturn {
namespace {

#if defined(__x86_64__)
int cpu_level() {
  static const int level = __builtin_cpu_supports("x86-64-v4")   ? 4
                           : __builtin_cpu_supports("x86-64-v3") ? 3
                                                                 : 2;
  return level;
}
#endif

/// exp within 2 units in the last place between -64 and 64, constant outside; NaN stays NaN. The limits keep
/// what is made of it (1 / (1 + exp), a batch's share of a softmax) clear of subnormal numbers, which take
/// twenty times as long.
SATURN_INLINE float exp_of(float x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;  // few bits, so that n x kLn2High is exact
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 x 2^23: adding it leaves the rounded integer in the low bits
  x = x < -64.0F ? -64.0F : x;
  x = x > 64.0F ? 64.0F : x;
  const float shifted = x * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  // Taylor's series for |r| <= ln(2)/2.
  float sum = 1.0F / 5040;
  sum = sum * r + 1.0F / 720;
  sum = sum * r + 1.0F / 120;
  sum = sum * r + 1.0F / 24;
  sum = sum * r + 1.0F / 6;
  sum = sum * r + 0.5F;
  sum = sum * r + 1.0F;
  sum = sum * r + 1.0F;
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
  return sum * std::bit_cast<float>(exponent + (127U << 23));
}

constexpr float kRootTwoOverPi = 0.79788456F;
constexpr float kCubic = 0.044715F;

/// sigmoid(2 u) = (1 + tanh(u)) / 2
SATURN_INLINE float gelu_gate(float x) {
  const float u = kRootTwoOverPi * (x + kCubic * x * x * x);
  return 1.0F / (1.0F + exp_of(-2.0F * u));
}

SATURN_INLINE void gelu_forward_loop(const float* x, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = x[i] * gelu_gate(x[i]);
}

SATURN_INLINE void gelu_backward_loop(const float* __restrict x, float* __restrict gradient,
                                      float* __restrict activation, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = x[i];
    const float gate = gelu_gate(value);
    const float slope = 2 * kRootTwoOverPi * (1 + 3 * kCubic * value * value);
    activation[i] = value * gate;
    gradient[i] *= gate + value * gate * (1 - gate) * slope;
  }
}

constexpr std::int64_t kLanes = 16;  // of a sum: a fixed order of additions that still vectorises

SATURN_INLINE float largest(const float* row, std::int64_t count) {
  std::array<float, kLanes> lanes;
  lanes.fill(-std::numeric_limits<float>::infinity());
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = row[i + lane] > lanes[lane] ? row[i + lane] : lanes[lane];
  for (; i < count; ++i) lanes[0] = row[i] > lanes[0] ? row[i] : lanes[0];
  float most = lanes[0];
  for (const float lane : lanes) most = lane > most ? lane : most;
  return most;
}

SATURN_INLINE void log_sum_exp_loop(const float* row, std::int64_t count, float* result) {
  const float most = largest(row, count);
  std::array<float, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += exp_of(row[i + lane] - most);
  for (; i < count; ++i) lanes[0] += exp_of(row[i] - most);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  *result = most + std::log(sum);
}

SATURN_INLINE void scaled_softmax_loop(const float* row, float log_sum, float factor, float* out,
                                       std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = factor * exp_of(row[i] - log_sum);
}

SATURN_DISPATCH(gelu_forward, (const float* x, float* out, std::int64_t count), x, out, count)
SATURN_DISPATCH(gelu_backward, (const float* x, float* gradient, float* activation, std::int64_t count), x,
                gradient, activation, count)
SATURN_DISPATCH(log_sum_exp, (const float* row, std::int64_t count, float* result), row, count, result)
SATURN_DISPATCH(scaled_softmax,
                (const float* row, float log_sum, float factor, float* out, std::int64_t count), row, log_sum,
                factor, out, count)

}  // namespace

void gelu_forward(const float* x, float* out, std::int64_t count) {
  gelu_forward_any(x, out, count);
}

void gelu_backward(const float* x, float* gradient, float* activation, std::int64_t count) {
  gelu_backward_any(x, gradient, activation, count);
}

float log_sum_exp(const float* row, std::int64_t count) {
  float result = 0;
  log_sum_exp_any(row, count, &result);
  return result;
}

void scaled_softmax(const float* row, float log_sum, float factor, float* out, std::int64_t count) {
  scaled_softmax_any(row, log_sum, factor, out, count);
}

}  // namespace saturn
