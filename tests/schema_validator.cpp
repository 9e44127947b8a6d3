// SPDX-License-Identifier: Apache-2.0
#include "schema_validator.h"

#include <algorithm>
#include <regex>
#include <stdexcept>

namespace saturn::test {
namespace {

using Problems = std::vector<std::string>;

bool has_type(const Value& value, const std::string& type) {
  if (type == "object") return value.kind == Value::Kind::kMap;
  if (type == "array") return value.kind == Value::Kind::kList;
  if (value.kind != Value::Kind::kScalar) return false;
  if (type == "integer") return as_integer(value).has_value();
  if (type == "number") return as_number(value).has_value();
  if (type == "boolean") return as_boolean(value).has_value();
  if (type == "string") return !as_number(value) && !as_boolean(value);
  throw std::logic_error("unknown type " + type);
}

class Validator {
 public:
  explicit Validator(const Value& file) : file_(file) {}

  void check(const Value& value, const Value& schema, const std::string& path, Problems& problems) const {
    for (const Value::Member& member : schema.members) {
      if (is_annotation(member.key)) continue;
      const bool known = number(value, member, path, problems) || text(value, member, path, problems) ||
                         shape(value, schema, member, path, problems) ||
                         combined(value, member, path, problems);
      if (!known) throw std::logic_error("the validator does not know the keyword '" + member.key + "'");
    }
  }

 private:
  static bool is_annotation(const std::string& key) {
    static const std::vector<std::string> kKeys{"$schema", "$defs", "title", "description", "default"};
    return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
  }
  static bool number(const Value& value, const Value::Member& rule, const std::string& path,
                     Problems& problems) {
    const auto n = as_number(value);
    const auto limit = as_number(rule.value);
    bool wrong = false;
    if (rule.key == "minimum")
      wrong = n && *n < *limit;
    else if (rule.key == "maximum")
      wrong = n && *n > *limit;
    else if (rule.key == "exclusiveMinimum")
      wrong = n && *n <= *limit;
    else if (rule.key == "exclusiveMaximum")
      wrong = n && *n >= *limit;
    else
      return false;
    if (wrong)
      problems.push_back(path + ": " + value.scalar + " breaks " + rule.key + " " + rule.value.scalar);
    return true;
  }
  static bool text(const Value& value, const Value::Member& rule, const std::string& path,
                   Problems& problems) {
    const bool is_text = has_type(value, "string");
    bool wrong = false;
    if (rule.key == "pattern")
      wrong = is_text && !std::regex_search(value.scalar, std::regex(rule.value.scalar));
    else if (rule.key == "minLength")
      wrong = is_text && std::ssize(value.scalar) < *as_integer(rule.value);
    else if (rule.key == "maxLength")
      wrong = is_text && std::ssize(value.scalar) > *as_integer(rule.value);
    else if (rule.key == "const")
      wrong = value.scalar != rule.value.scalar;
    else if (rule.key == "enum")
      wrong = std::none_of(rule.value.items.begin(), rule.value.items.end(),
                           [&](const Value& item) { return item.scalar == value.scalar; });
    else if (rule.key == "type")
      wrong = !has_type(value, rule.value.scalar);
    else
      return false;
    if (wrong)
      problems.push_back(path + ": " + describe(value) + " breaks " + rule.key + " " + rule.value.scalar);
    return true;
  }
  bool shape(const Value& value, const Value& schema, const Value::Member& rule, const std::string& path,
             Problems& problems) const {
    if (rule.key == "properties") {
      for (const Value::Member& member : value.members) {
        if (const Value* inner = rule.value.find(member.key))
          check(member.value, *inner, path + "." + member.key, problems);
      }
    } else if (rule.key == "additionalProperties") {
      const Value* listed = schema.find("properties");
      for (const Value::Member& member : value.members) {
        if (listed != nullptr && listed->find(member.key) != nullptr) continue;
        if (rule.value.scalar == "false")
          problems.push_back(path + ": unknown key " + member.key);
        else
          check(member.value, rule.value, path + "." + member.key, problems);
      }
    } else if (rule.key == "propertyNames") {
      for (const Value::Member& member : value.members) {
        Value name;
        name.kind = Value::Kind::kScalar, name.scalar = member.key;
        check(name, rule.value, path + " key " + member.key, problems);
      }
    } else if (rule.key == "items") {
      for (const Value& item : value.items) check(item, rule.value, path + "[]", problems);
    } else if (rule.key == "required") {
      for (const Value& key : rule.value.items) {
        if (value.kind == Value::Kind::kMap && value.find(key.scalar) == nullptr)
          problems.push_back(path + ": missing key " + key.scalar);
      }
    } else if (rule.key == "minItems" || rule.key == "minProperties") {
      const auto kind = rule.key == "minItems" ? Value::Kind::kList : Value::Kind::kMap;
      if (value.kind == kind && value.items.empty() && value.members.empty())
        problems.push_back(path + ": empty");
    } else {
      return false;
    }
    return true;
  }
  bool combined(const Value& value, const Value::Member& rule, const std::string& path,
                Problems& problems) const {
    if (rule.key == "$ref") {
      check(value, reference(rule.value.scalar), path, problems);
    } else if (rule.key == "not") {
      Problems inner;
      check(value, rule.value, path, inner);
      if (inner.empty()) problems.push_back(path + ": breaks not");
    } else if (rule.key == "anyOf") {
      Problems all;
      for (const Value& choice : rule.value.items) {
        Problems inner;
        check(value, choice, path, inner);
        if (inner.empty()) return true;
        all.insert(all.end(), inner.begin(), inner.end());
      }
      problems.insert(problems.end(), all.begin(), all.end());
    } else {
      return false;
    }
    return true;
  }

 public:
  const Value& reference(const std::string& text) const {
    const std::string prefix = "#/$defs/";
    const Value* found =
        text.rfind(prefix, 0) == 0 ? file_.find("$defs")->find(text.substr(prefix.size())) : nullptr;
    if (found == nullptr) throw std::logic_error("no schema at " + text);
    return *found;
  }

 private:
  const Value& file_;
};

}  // namespace

std::vector<std::string> validate(const Value& value, const Value& schema_file) {
  Problems problems;
  Validator(schema_file).check(value, schema_file, "", problems);
  return problems;
}

const Value& resolve(const Value& schema, const Value& schema_file) {
  const Value* reference = schema.find("$ref");
  return reference == nullptr ? schema
                              : resolve(Validator(schema_file).reference(reference->scalar), schema_file);
}

std::set<std::string> keys_of(const Value& map) {
  std::set<std::string> keys;
  for (const Value::Member& member : map.members) keys.insert(member.key);
  return keys;
}

}  // namespace saturn::test
