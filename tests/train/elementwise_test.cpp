// SPDX-License-Identifier: Apache-2.0
#include "train/elementwise.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numbers>
#include <vector>

namespace {

double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

std::vector<float> range(float from, float to, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = from + (to - from) * static_cast<float>(i) / static_cast<float>(count - 1);
  return values;
}

double tolerance(double expected) {
  return 1e-6 * std::max(1.0, std::abs(expected));
}

}  // namespace

TEST_CASE("gelu and its derivative agree with the formula in double precision") {
  for (const std::size_t count : {1001UL, 7UL, 16UL, 33UL}) {
    const std::vector<float> x = range(-12, 12, count);
    std::vector<float> out(count), gradient(count, 2.0F), activation(count);
    saturn::gelu_forward(x.data(), out.data(), static_cast<std::int64_t>(count));
    saturn::gelu_backward(x.data(), gradient.data(), activation.data(), static_cast<std::int64_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      const double value = x[i];
      const double slope = (gelu(value + 1e-5) - gelu(value - 1e-5)) / 2e-5;
      CAPTURE(value);
      CHECK(std::abs(out[i] - gelu(value)) < tolerance(value));
      CHECK(activation[i] == out[i]);
      CHECK(std::abs(gradient[i] - 2 * slope) < 4e-6);
    }
  }
}

TEST_CASE("gelu of huge values is the value or zero, and of NaN it is NaN") {
  const std::vector<float> x{100, -100, 1e10F, -1e10F, 0, std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> out(x.size());
  saturn::gelu_forward(x.data(), out.data(), 6);
  CHECK(out[0] == 100);
  CHECK(std::abs(out[1]) < 1e-24);
  CHECK(out[2] == 1e10F);
  CHECK(std::abs(out[3]) < 1e-16);
  CHECK(out[4] == 0);
  CHECK(std::isnan(out[5]));
}

TEST_CASE("the softmax of a row agrees with double precision and sums to its factor") {
  for (const std::size_t count : {256UL, 50257UL, 5UL, 16UL, 1UL}) {
    std::vector<float> row = count == 1 ? std::vector<float>{3} : range(-30, 8, count);
    double sum = 0;
    for (const float value : row) sum += std::exp(static_cast<double>(value));
    const float log_sum = saturn::log_sum_exp(row.data(), static_cast<std::int64_t>(count));
    CHECK(log_sum == doctest::Approx(std::log(sum)).epsilon(1e-6));
    std::vector<float> out(count);
    saturn::scaled_softmax(row.data(), log_sum, 0.5F, out.data(), static_cast<std::int64_t>(count));
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      total += out[i];
      CHECK(out[i] == doctest::Approx(0.5 * std::exp(row[i]) / sum).epsilon(1e-5));
    }
    CHECK(total == doctest::Approx(0.5).epsilon(1e-5));
  }
}

TEST_CASE("one NaN in a row makes its log-sum NaN; large values do not overflow") {
  std::vector<float> row(40, 1000.0F);
  CHECK(saturn::log_sum_exp(row.data(), 40) == doctest::Approx(1000 + std::log(40.0)));
  row[17] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(saturn::log_sum_exp(row.data(), 40)));
}
