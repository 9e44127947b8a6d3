// SPDX-License-Identifier: Apache-2.0
#include "workload/tree.h"

#include <algorithm>

namespace saturn {
namespace {

Value* find_mutable(Value& map, std::string_view key) {
  const auto found = std::find_if(map.members.begin(), map.members.end(),
                                  [&](const Value::Member& m) { return m.key == key; });
  return found == map.members.end() ? nullptr : &found->value;
}

/// The member of that name, made as an empty map when it is missing.
Value& child_map(Value& map, const std::string& key, Mark mark) {
  if (Value* found = find_mutable(map, key)) return *found;
  Value empty;
  empty.kind = Value::Kind::kMap, empty.mark = mark;
  return map.members.emplace_back(Value::Member{key, mark, std::move(empty)}).value;
}

}  // namespace

Value deep_merge(const Value& base, const Value& over) {
  if (base.kind != Value::Kind::kMap || over.kind != Value::Kind::kMap) return over;
  Value result = over;
  for (const Value::Member& member : base.members) {
    if (base.find(member.key) != &member.value) continue;
    Value* present = find_mutable(result, member.key);
    if (present == nullptr) {
      result.members.push_back(member);
    } else {
      *present = deep_merge(member.value, *present);
    }
  }
  return result;
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> keys;
  size_t start = 0;
  for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', start)) {
    keys.push_back(path.substr(start, dot - start));
    start = dot + 1;
  }
  keys.push_back(path.substr(start));
  return keys;
}

const Value* find_path(const Value& root, const std::string& path) {
  const Value* at = &root;
  for (const std::string& key : split_path(path)) {
    if (at->kind != Value::Kind::kMap) return nullptr;
    at = at->find(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

void assign_path(Value& root, const std::string& path, const Value& value, Mark mark) {
  const std::vector<std::string> keys = split_path(path);
  Value* at = &root;
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    if (at->kind != Value::Kind::kMap) return;
    at = &child_map(*at, keys[i], mark);
  }
  if (at->kind != Value::Kind::kMap) return;
  if (Value* present = find_mutable(*at, keys.back())) {
    *present = deep_merge(*present, value);
  } else {
    at->members.push_back({keys.back(), mark, value});
  }
}

void remove_key(Value& map, std::string_view key) {
  std::erase_if(map.members, [&](const Value::Member& member) { return member.key == key; });
}

}  // namespace saturn
