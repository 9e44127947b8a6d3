// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace saturn {

/// A plug-in cannot be used; `what()` names it and says why.
class PluginError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A shared object of a plug-in. It stays open until the process ends: whatever came out of it may live as
/// long. Errors of all methods: PluginError.
class PluginObject {
 public:
  /// `subject` names it in messages ("the parallelism 'mine'"); its source ends with `macro`(...).
  PluginObject(std::string subject, std::string macro, const std::filesystem::path& library);

  /// Calls the function under `symbol`, which says what interface it was built for.
  void check_abi(const char* symbol, std::uint32_t expected) const;
  /// The function that the object exports under `symbol`.
  template <class Function>
  Function* function(const char* symbol) const {
    return reinterpret_cast<Function*>(address(symbol));
  }
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  void* address(const char* symbol) const;

  std::string subject_, macro_, library_;
  void* object_ = nullptr;
};

}  // namespace saturn
