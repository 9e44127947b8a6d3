// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "temporary_directory.h"

namespace saturn::file_test {

namespace {

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  return names;
}

}  // namespace

TEST_CASE("a file is replaced as a whole and leaves no temporary one") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "a.txt";
  write_file_atomically(path, "one");
  write_file_atomically(path, std::string("two\0x", 5));
  CHECK(read_file(path) == std::string("two\0x", 5));
  CHECK(names_in(directory.path()) == std::vector<std::string>{"a.txt"});
}

TEST_CASE("what killed writers have left is removed, and nothing else") {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "d.tmp.1");
  for (const char* name : {"a.tmp.12", "b.safetensors.tmp.999999", "c", "c.tmp.", "c.tmp.12x", ".tmp.3"})
    write_file_atomically(directory / name, "x");
  remove_temporary_files(directory.path());
  std::vector<std::string> left = names_in(directory.path());
  std::sort(left.begin(), left.end());
  CHECK(left == std::vector<std::string>{".tmp.3", "c", "c.tmp.", "c.tmp.12x", "d.tmp.1"});
  remove_temporary_files(directory / "not there");
}

TEST_CASE("a symbolic link stays one: what it points to is replaced") {
  const test::TemporaryDirectory directory;
  write_file_atomically(directory / "real", "old");
  std::filesystem::create_symlink("real", directory / "link");
  write_file_atomically(directory / "link", "new");
  CHECK(std::filesystem::is_symlink(directory / "link"));
  CHECK(read_file(directory / "real") == "new");
}

TEST_CASE("a pipe or a device is not replaced by a file") {
  const test::TemporaryDirectory directory;
  const std::string pipe = directory / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(
      write_file_atomically(pipe, "x"),
      fmt::format("cannot write {}: it is not a regular file; name another file", pipe).c_str(), SystemError);
  CHECK(std::filesystem::is_fifo(pipe));
}

TEST_CASE("a file larger than the buffer is read whole") {
  const test::TemporaryDirectory directory;
  const std::string text(200'001, 'x');
  write_file_atomically(directory / "big", text);
  CHECK(read_file(directory / "big") == text);
}

TEST_CASE("what cannot be read or written is said with its reason") {
  const test::TemporaryDirectory directory;
  const std::string missing = directory / "no/file";
  CHECK_THROWS_WITH_AS(read_file(missing),
                       fmt::format("cannot read {}: No such file or directory", missing).c_str(),
                       SystemError);
  CHECK_THROWS_WITH_AS(read_file(directory.path()),
                       fmt::format("cannot read {}: Is a directory", directory.path().string()).c_str(),
                       SystemError);
  CHECK_THROWS_WITH_AS(write_file_atomically(missing, "x"),
                       fmt::format("cannot write {}: No such file or directory", missing).c_str(),
                       SystemError);
  write_file_atomically(directory / "file", "x");
  const std::string under_file = directory / "file/sub";
  CHECK_THROWS_WITH_AS(make_directories(under_file),
                       fmt::format("cannot create directory {}: Not a directory", under_file).c_str(),
                       SystemError);
}

TEST_CASE("a write that fails half way leaves the old file and no other") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "a.txt";
  write_file_atomically(path, "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // a limit on the size of files stands in for a full disk
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomically(path, std::string(100'000, 'n'));
    } catch (const SystemError& error) {
      ::_exit(error.errno_value() == EFBIG ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(read_file(path) == "old");
  CHECK(names_in(directory.path()) == std::vector<std::string>{"a.txt"});
}

TEST_CASE("the tail of a file is its last lines") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "log";
  write_file_atomically(path, "a\nb\nc\n");
  CHECK(tail_of_file(path, 2) == "b\nc");
  CHECK(tail_of_file(path, 3) == "a\nb\nc");
  CHECK(tail_of_file(path, 9) == "a\nb\nc");
  CHECK(tail_of_file(directory / "none", 3).empty());
  write_file_atomically(path, "");
  CHECK(tail_of_file(path, 3).empty());
}

TEST_CASE("contents have a hash that never changes") {
  CHECK(content_hash("") == "cbf29ce484222325");
  CHECK(content_hash("a") == "af63dc4c8601ec8c");
}

TEST_CASE("files have a hash of their bytes and their length") {
  const test::TemporaryDirectory directory;
  const auto hash_of = [&](const std::string& text) {
    write_file_atomically(directory / "file", text);
    return file_hash(directory / "file");
  };
  std::string large(200'000, 'x');  // several reads
  const std::string hash = hash_of(large);
  CHECK(hash.size() == 16);
  CHECK(hash_of(large) == hash);
  large[150'000] = 'y';
  CHECK(hash_of(large) != hash);
  CHECK(hash_of("a") != hash_of(std::string("a\0", 2)));
  CHECK(hash_of("") != hash_of(std::string(8, '\0')));
  CHECK_THROWS_WITH_AS(
      file_hash(directory / "none"),
      ("cannot read " + (directory / "none").string() + ": No such file or directory").c_str(), SystemError);
}

TEST_CASE("a descriptor is closed once, by its last owner") {
  FileDescriptor first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  FileDescriptor second(std::move(first));
  CHECK_FALSE(first);
  CHECK(second.get() == number);
  second.reset();
  CHECK(::fcntl(number, F_GETFD) == -1);
}

}  // namespace saturn::file_test
