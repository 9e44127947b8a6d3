// SPDX-License-Identifier: Apache-2.0
// workload.schema.json, README.md and every-key.yaml say what the reader does: every key, limit and default
// of the schema is tried on the reader.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/file.h"
#include "schema_validator.h"
#include "workload/manifest.h"
#include "workload/sweep_paths.h"
#include "workload/template.h"
#include "workload/yaml.h"
#include "workload_text.h"

namespace saturn::schema_test {
using test::problems;

namespace {

const std::filesystem::path kFolder = SATURN_WORKLOADS;

const Value& schema() {
  static const Document document = read_json(kFolder / "workload.schema.json");
  return document.root;
}

/// The schema's object for a map of the workload, by the map's name in messages.
const Value& object_of(const std::string& section) {
  static const std::map<std::string, std::string> kDefinitions{{"cluster.nodes", "node"},
                                                               {"task", "task"},
                                                               {"model", "model"},
                                                               {"data", "data"},
                                                               {"optimizer", "optimizer"},
                                                               {"optimizer.schedule", "schedule"},
                                                               {"stop", "stop"},
                                                               {"sweep", "sweep"},
                                                               {"sweep.random", "random"},
                                                               {"sweep.random.over", "range"},
                                                               {"profile", "profile"},
                                                               {"plan", "plan"},
                                                               {"run", "run"},
                                                               {"run.halving", "halving"},
                                                               {"run.budget", "budget"}};
  if (section.empty()) return schema();
  if (section == "cluster") return schema().find("$defs")->find("cluster")->find("anyOf")->items.at(1);
  return *schema().find("$defs")->find(kDefinitions.at(section));
}

/// A sound model of the kind that has a key which a gpt has not; "" for other keys.
std::string model_with(const std::string& key, const std::string& entry) {
  static const std::map<std::string, std::vector<std::string>> kKinds{
      {"gptj", {"rotary"}},
      {"mlp", {"inputs", "classes"}},
      {"vit", {"image", "channels", "patch", "mlp_width", "pool"}},
      {"resnet", {"stages"}},
      {"library", {"options"}}};
  static const std::map<std::string, std::map<std::string, std::string>> kSizes{
      {"gptj", {{"layers", "1"}, {"heads", "1"}, {"width", "8"}, {"context", "4"}}},
      {"mlp", {{"inputs", "4"}, {"layers", "1"}, {"width", "4"}, {"classes", "2"}}},
      {"vit",
       {{"image", "8"}, {"patch", "4"}, {"layers", "1"}, {"heads", "1"}, {"width", "8"}, {"classes", "2"}}},
      {"resnet", {{"image", "8"}, {"stages", "[1]"}, {"classes", "2"}}},
      {"library", {{"library", "x.so"}, {"context", "4"}, {"vocabulary", "300"}}}};
  for (const auto& [kind, keys] : kKinds) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) continue;
    std::string text = "{kind: " + kind;
    for (const auto& [size, value] : kSizes.at(kind))
      if (size != key) text += ", " + size + ": " + value;
    return text + ", " + entry + "}";
  }
  return "";
}

/// A sound workload in which one map has this entry ("clip: 3"), or none more.
/// `owner`: the key whose kind of model or data it is, when the entry is empty.
std::string text_with(const std::string& section, const std::string& entry, std::string owner = "") {
  const std::string key = entry.substr(0, entry.find(':'));
  if (owner.empty()) owner = key;
  if (const std::string model = model_with(owner, entry); section == "model" && !model.empty())
    return "tasks: [{name: a, batch_size: 1, steps: 9, data: {kind: synthetic}, model: " + model + "}]\n";
  if (section == "data" && owner == "samples")
    return "tasks: [{name: a, batch_size: 1, steps: 9, data: {kind: synthetic, " + entry +
           "}, model: {layers: 1, heads: 1, width: 8, context: 4}}]\n";
  const auto besides = [&](const std::string& other, const std::string& value) {
    return key == other ? "" : other + ": " + value + ", ";
  };
  std::string top, task = "name: a, ";
  if (section.empty() && !entry.empty()) top = entry + "\n";
  for (const char* name : {"profile", "plan", "run", "cluster"}) {
    if (section == name) top = section + ": {" + entry + "}\n";
  }
  if (section == "run.halving") top = "run: {halving: {" + besides("rungs", "[1]") + entry + "}}\n";
  if (section == "run.budget") top = "run: {budget: {" + besides("device_hours", "1") + entry + "}}\n";
  if (section == "cluster.nodes")
    top = "cluster: {nodes: [{" + besides("name", "n") + besides("devices", "1") + entry + "}]}\n";
  for (const char* name : {"model", "data", "optimizer"}) {
    if (section == name) task += section + ": {" + entry + "}, ";
  }
  if (section == "optimizer.schedule") task += "optimizer: {schedule: {" + entry + "}}, ";
  if (section == "stop")
    task += "validate_every_steps: 2, stop: {" + besides("patience", "2") + entry + "}, ";
  if (section == "task" && !entry.empty()) task = (key == "name" ? "" : "name: a, ") + entry + ", ";
  if (section == "sweep.random")
    task = "name: 'a{optimizer.lr}', sweep: {random: {" + besides("count", "2") +
           "over: {optimizer.lr: {min: 0.5, max: 1}}, " + entry + "}}, ";
  if (section == "sweep.random.over")
    task = "name: 'a{optimizer.lr}', sweep: {random: {count: 2, over: {optimizer.lr: {" +
           besides("min", "0.5") + besides("max", "5") + entry + "}}}}, ";
  return top +
         "defaults: {model: {layers: 1, heads: 1, width: 8, context: 4}, data: {files: x}, batch_size: 1000, "
         "steps: 9}\n"
         "tasks: [{" +
         task + "}]\n";
}

bool refused(const std::string& section, const std::string& key, const std::string& value) {
  return problems(text_with(section, key + ": " + value)).find("'" + key + "' must be ") != std::string::npos;
}

std::string json_text(const Workload& workload) {
  std::string text;
  for (const TaskSpec& task : workload.tasks) text += to_json(task).dump() + "\n";
  return text;
}

/// A whole number beside the limit; the text of one that is refused.
std::string beside(const Value& limit, int step) {
  if (limit.scalar == "9223372036854775807") return "9223372036854775808";
  const auto whole = as_integer(limit);
  return whole && std::abs(static_cast<double>(*whole)) < 1e15 ? fmt::format("{}", *whole + step)
                                                               : fmt::format("{}", *as_number(limit) * 2);
}

struct Key {
  std::string section;
  std::string name;
  const Value* schema;  ///< references followed
  const Value* fallback;
};

std::vector<Key> all_keys() {
  std::vector<Key> keys;
  for (const auto& [section, names] : workload_keys()) {
    for (const Value::Member& member : object_of(section).find("properties")->members)
      keys.push_back(
          {section, member.key, &test::resolve(member.value, schema()), member.value.find("default")});
  }
  return keys;
}

/// The cells of the reference's row for a key.
std::vector<std::string> row_of(const std::string& section, const std::string& key) {
  static const std::vector<std::string> lines = split_lines(read_file(kFolder / "README.md"));
  std::string prefix = section.empty() ? "" : section + ".";
  if (section == "task") prefix = "tasks.";
  if (section == "sweep.random.over") prefix += "FIELD.";
  for (const std::string& line : lines) {
    if (line.rfind("| `" + prefix + key + "` |", 0) != 0) continue;
    std::vector<std::string> cells;
    for (size_t at = 1; at < line.size();) {
      const size_t end = line.find('|', at);
      const std::string cell = line.substr(at, end - at);
      const size_t first = cell.find_first_not_of(' ');
      cells.push_back(
          first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
      at = end + 1;
    }
    return cells;
  }
  return {};
}

}  // namespace

TEST_CASE("the schema has the keys that the reader looks for, and no others") {
  for (auto [section, keys] : workload_keys()) {
    CAPTURE(section);
    std::vector<std::string> in_schema;
    for (const Value::Member& member : object_of(section).find("properties")->members)
      in_schema.push_back(member.key);
    std::sort(keys.begin(), keys.end());
    std::sort(in_schema.begin(), in_schema.end());
    CHECK(in_schema == keys);
    CHECK(object_of(section).find("additionalProperties")->scalar == "false");
  }
}

TEST_CASE("the schema's paths are the fields that can be swept") {
  std::vector<std::string> paths;
  for (const Value& item : schema().find("$defs")->find("path")->find("enum")->items)
    paths.push_back(item.scalar);
  CHECK(paths == task_paths());
}

TEST_CASE("the reader refuses what is beyond a limit of the schema and takes the limit") {
  int limits = 0;
  for (const Key& key : all_keys()) {
    CAPTURE(key.section);
    CAPTURE(key.name);
    for (const auto& [keyword, step] : std::map<std::string, int>{{"minimum", -1}, {"maximum", 1}}) {
      const Value* limit = key.schema->find(keyword);
      if (limit == nullptr) continue;
      ++limits;
      CHECK(refused(key.section, key.name, beside(*limit, step)));
      CHECK_FALSE(refused(key.section, key.name, limit->scalar));
    }
    for (const char* keyword : {"exclusiveMinimum", "exclusiveMaximum"}) {
      const Value* limit = key.schema->find(keyword);
      if (limit == nullptr) continue;
      ++limits;
      CHECK(refused(key.section, key.name, limit->scalar));
      CHECK_FALSE(refused(key.section, key.name, "0.5"));
    }
  }
  CHECK(limits > 60);
}

TEST_CASE("the reader takes the schema's words and types, and no others") {
  for (const Key& key : all_keys()) {
    CAPTURE(key.section);
    CAPTURE(key.name);
    if (const Value* words = key.schema->find("enum")) {
      CHECK(refused(key.section, key.name, "no-such-word"));
      for (const Value& word : words->items) CHECK_FALSE(refused(key.section, key.name, word.scalar));
    }
    const Value* type = key.schema->find("type");
    if (type == nullptr || type->scalar == "object" || type->scalar == "array") continue;
    CHECK(refused(key.section, key.name, "[[1]]"));
    if (type->scalar == "integer") CHECK(refused(key.section, key.name, "1.5"));
    if (type->scalar == "boolean") CHECK(refused(key.section, key.name, "1"));
    if (type->scalar != "string") CHECK(refused(key.section, key.name, "text"));
  }
}

TEST_CASE("durations and sizes of the schema") {
  for (const char* key : {"checkpoint_interval", "stop_grace", "start_timeout", "hang_timeout"}) {
    CHECK(refused("run", key, "0"));
    CHECK(refused("run", key, "864000001"));
    CHECK_FALSE(refused("run", key, "864000000"));
    CHECK_FALSE(refused("run", key, "1h30m"));
  }
  CHECK(refused("stop", "after", "0"));
  CHECK_FALSE(refused("stop", "after", "1h30m"));
  CHECK_FALSE(refused("run", "introspection_interval", "0"));
  CHECK_FALSE(refused("cluster", "slot_memory", "1GiB"));
  CHECK(refused("cluster", "slot_memory", "-1"));
}

TEST_CASE("the schema's pattern of names is the reader's") {
  for (const std::string name : {"a", "a.b", ".a", "a b", "a/b", "A+b=c_d-1", "", "-"}) {
    Value workload = parse_yaml("", "name: '" + name + "'\ntasks: [{}]\n").root;
    CAPTURE(name);
    CHECK(test::validate(workload, schema()).empty() == name_problem(name).empty());
  }
}

TEST_CASE("the schema's defaults are the reader's") {
  int defaults = 0;
  for (const Key& key : all_keys()) {
    if (key.fallback == nullptr) continue;
    ++defaults;
    CAPTURE(key.section);
    CAPTURE(key.name);
    const std::string entry = key.name + ": " + key.fallback->scalar;
    const Workload without = test::parse(text_with(key.section, "", key.name));
    const Workload with = test::parse(text_with(key.section, entry));
    CHECK(with.cluster == without.cluster);
    CHECK(with.profile == without.profile);
    CHECK(with.plan == without.plan);
    CHECK(with.run == without.run);
    CHECK(with.seed == without.seed);
    CHECK(json_text(with) == json_text(without));
  }
  CHECK(defaults > 40);
}

TEST_CASE("the reference has every key, with the schema's default") {
  for (const Key& key : all_keys()) {
    CAPTURE(key.section);
    CAPTURE(key.name);
    const std::vector<std::string> cells = row_of(key.section, key.name);
    REQUIRE(cells.size() == 5);
    if (key.fallback != nullptr)
      CHECK(cells[2] == key.fallback->scalar);
    else
      CHECK((cells[2].empty() || cells[2] == "required"));
  }
}

TEST_CASE("what the reference calls required is missed by the reader, and nothing else") {
  const std::string missed = problems("name: x\n") +
                             problems(
                                 "cluster: {nodes: [{}]}\n"
                                 "tasks: [{model: {}, data: {}, optimizer: {schedule: {}}, stop: {},\n"
                                 "         sweep: {random: {count: 1, over: {seed: {}}}}}]\n"
                                 "profile: {}\nplan: {}\nrun: {halving: {}, budget: {}}\n") +
                             problems("tasks: [{sweep: {random: {}}}]\n");
  for (const Key& key : all_keys()) {
    if (key.section == "task" && key.name == "steps") continue;  // or epochs
    CAPTURE(key.section);
    CAPTURE(key.name);
    const std::string message =
        (key.section.empty() ? "1:1 " : " " + key.section + ": ") + "missing key '" + key.name + "'";
    CHECK((row_of(key.section, key.name).at(2) == "required") == (missed.find(message) != std::string::npos));
  }
}

TEST_CASE("every-key.yaml shows every key and can be read with its data") {
  const std::string text = read_file(kFolder / "every-key.yaml");
  for (const Key& key : all_keys()) {
    CAPTURE(key.name);
    CHECK(std::regex_search(text, std::regex("[ {,&\n]" + key.name + ":[ \n]")));
  }
  CHECK(read_workload(kFolder / "every-key.yaml").tasks.size() == 11);
}

TEST_CASE("every workload in the folder keeps to the schema and can be read") {
  int seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kFolder)) {
    if (entry.path().extension() != ".yaml") continue;
    if (entry.path().filename() == "parallelism.yaml") {
      CHECK_NOTHROW(read_manifest(entry.path().parent_path()));
      continue;
    }
    ++seen;
    CAPTURE(entry.path().string());
    CHECK(test::validate(read_yaml(entry.path()).root, schema()) == std::vector<std::string>{});
    CHECK_NOTHROW(parse_workload(entry.path(), read_file(entry.path())));
  }
  CHECK(seen >= 6);
}

TEST_CASE("the schema finds what is wrong in a workload") {
  const auto wrong = [](const std::string& text) {
    return test::validate(parse_yaml("", text).root, schema());
  };
  using Problems = std::vector<std::string>;
  CHECK(wrong("name: x\n") == Problems{": missing key tasks"});
  CHECK(wrong("tasks: []\n") == Problems{".tasks: empty"});
  CHECK(wrong("tasks: [{batchsize: 1}]\n") == Problems{".tasks[]: unknown key batchsize"});
  CHECK(wrong("tasks: [{steps: 1, epochs: 1}]\n") == Problems{".tasks[]: breaks not"});
  CHECK(wrong("tasks: [{steps: x}]\n") == Problems{".tasks[].steps: the text 'x' breaks type integer"});
  CHECK(wrong("tasks: [{sweep: {grid: {lr: [1]}}}]\n") ==
        Problems{".tasks[].sweep.grid key lr: the text 'lr' breaks enum ",
                 ".tasks[].sweep.grid key lr: the text 'lr' breaks pattern "
                 "^(arguments|model\\.options)\\.[A-Za-z0-9_-]+$"});
}

}  // namespace saturn::schema_test
