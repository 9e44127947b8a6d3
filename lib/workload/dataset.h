// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "workload/data_spec.h"
#include "workload/data_split.h"
#include "workload/model_spec.h"

namespace saturn {

/// What a task's data files hold, by their headers and sizes alone: where every token and sample stands. Both
/// programs read it, `saturn` to count steps, the worker to map the files.
///
///   text         bytes, one token each
///   tokens       nanoGPT's train.bin (uint16 and nothing else), or llm.c's: a header of 256 int32 (magic,
///                version, count), then uint16 (magic 20240520, version 1) or uint32 (20240801, version 7)
///   mnist        idx files of unsigned bytes: images (3 dimensions) and labels (1 dimension) in any order
///   cifar10      records of a label byte and 3 x 32 x 32 bytes
///   safetensors  each file with the tensors `inputs` [samples, ...] and `labels` [samples], or, of whole
///                numbers, tokens and their targets: both [samples, length]

/// Values at equal distances in a file: value number i stands at begin + i x stride.
struct Column {
  std::string file;
  std::uint64_t begin = 0;
  std::uint64_t stride = 0;
  std::string dtype;  ///< of its elements, as safetensors has it: "U8", "F32", ...
};

/// Samples (or, in a stream, tokens, without labels) at equal distances.
struct Run {
  std::int64_t count = 0;
  Column inputs;
  Column labels;
};

/// What rows of the data are.
struct Content {
  enum class Form {
    kStream,  ///< of tokens, to be cut into rows of the model's context
    kTokens,  ///< rows of tokens, each with its targets
    kSamples  ///< pictures or other numbers with a class each
  };
  Form form = Form::kStream;
  std::vector<std::int64_t> shape;  ///< of a sample; {length} of rows of tokens
  std::int64_t vocabulary = 0;      ///< the least that a model has to have; 0 = not known
  std::int64_t classes = 0;         ///< the same of samples
};

struct Dataset {
  Content content;
  std::vector<Run> training;
  std::vector<Run> validation;  ///< of validation_files
};

/// Samples or tokens in the runs.
std::int64_t size_of(const std::vector<Run>& runs);

/// Opens the files, of any kind but `synthetic`. Errors: InputError that names the file and says what is
/// wrong with it, SystemError.
Dataset read_dataset(const DataSpec& data);

/// Of a kind, without a look at files, as far as it is known then: text and cifar10. Otherwise false.
bool known_content(const std::string& kind, Content& content);

/// The length to cut rows of: of a stream the model's context, 0 otherwise.
std::int64_t row_length(const Content& content, const ModelSpec& model);

/// How the task's data are divided. Of synthetic data, `dataset` is not looked at.
DataSplit split_of(const DataSpec& data, const Dataset& dataset, std::int64_t length);

/// Whether something is held out.
bool holds_out(const DataSpec& data);

/// "" or why a part of the data has no row.
std::string size_problem(const DataSpec& data, const DataSplit& split, std::int64_t length);

/// Reads a whole number of a dtype, as little-endian machines store it.
using IntegerReader = std::int64_t (*)(const std::byte*);
/// Null for a dtype that is none of whole numbers.
IntegerReader integer_reader(const std::string& dtype);

}  // namespace saturn
