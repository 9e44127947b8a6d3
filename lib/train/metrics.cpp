// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.h"

#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

struct Kept {
  std::string text;
  std::vector<ValidationPoint> validations;
  std::optional<double> last_loss;
};

/// The lines of `text` that are whole and belong to the first `step` steps.
Kept keep(const std::string& text, std::int64_t step, bool redo_validation) {
  Kept kept;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer()) continue;
    const auto at = line["step"].get<std::int64_t>();
    const bool again = redo_validation && at == step && line.contains("validation_loss");
    if (at > step || again) continue;
    kept.text.append(text, begin, end + 1 - begin);
    if (line.contains("loss") && line["loss"].is_number()) kept.last_loss = line["loss"].get<double>();
    if (const auto loss = line.find("validation_loss"); loss != line.end())
      add_validation(kept.validations, {at, loss->is_number() ? loss->get<double>() : std::nan("")});
  }
  return kept;
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& path, std::int64_t step, bool redo_validation) {
  if (std::filesystem::exists(path)) {
    const std::string before = read_file(path);
    Kept kept = keep(before, step, redo_validation);
    if (kept.text != before) write_file_atomically(path, kept.text);
    last_loss_ = kept.last_loss;
    earlier_validations_ = std::move(kept.validations);
  }
  fd_ = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd_) throw SystemError("open", path.string(), errno);
}

void MetricsFile::add(const StepMetrics& m) {
  last_loss_ = m.loss;
  Json line{{"step", m.step},
            {"loss", number(m.loss)},
            {"lr", number(m.learning_rate)},
            {"gradient_norm", number(m.gradient_norm)},
            {"step_seconds", number(m.step_seconds)},
            {"samples_per_second", number(m.samples_per_second)}};
  if (m.tokens_per_second > 0) line["tokens_per_second"] = number(m.tokens_per_second);
  write(line.dump());
}

void MetricsFile::add_validation(std::int64_t step, double loss) {
  write(Json{{"step", step}, {"validation_loss", number(loss)}}.dump());
}

void MetricsFile::write(const std::string& line) {
  [[maybe_unused]] const int error = write_all(fd_.get(), line + "\n");
}

}  // namespace saturn
