// SPDX-License-Identifier: Apache-2.0
#include "workload/data_spec.h"

#include <nlohmann/json.hpp>

#include "workload/limits.h"

namespace saturn {
namespace {

void read_files(MapReader& reader, DataSpec& data) {
  const bool synthetic = data.kind == "synthetic";
  data.files = reader.texts("files");
  data.validation_files = reader.texts("validation_files");
  data.samples = reader.integer("samples", data.samples, 1, kMostSteps);
  if (!synthetic) (void)reader.require("files");
  if (!synthetic && reader.has("samples")) reader.error("samples", "is a key of synthetic data");
  for (const char* key : {"files", "validation_files"})
    if (synthetic && reader.has(key)) reader.error(key, "is no key of synthetic data, which need no files");
}

}  // namespace

DataSpec read_data(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "data", diagnostics);
  DataSpec data;
  data.kind =
      reader.choice("kind", data.kind, {"text", "tokens", "mnist", "cifar10", "safetensors", "synthetic"});
  read_files(reader, data);
  const double fraction = reader.number("validation_fraction", data.validation_fraction, 0, 1);
  if (fraction < 1)
    data.validation_fraction = fraction;
  else
    reader.error("validation_fraction", "must be less than 1");
  if (!data.validation_files.empty() && reader.has("validation_fraction"))
    reader.error("validation_fraction", "cannot stand beside 'validation_files': they are what is held out");
  data.validation_batches = reader.integer("validation_batches", data.validation_batches, 1, kMostSteps);
  reader.finish();
  return data;
}

nlohmann::ordered_json to_json(const DataSpec& data) {
  nlohmann::ordered_json json{{"kind", data.kind}};
  if (data.kind == "synthetic")
    json["samples"] = data.samples;
  else
    json["files"] = data.files;
  if (data.validation_files.empty())
    json["validation_fraction"] = data.validation_fraction;
  else
    json["validation_files"] = data.validation_files;
  json["validation_batches"] = data.validation_batches;
  return json;
}

}  // namespace saturn
