// SPDX-License-Identifier: Apache-2.0
#include "cluster/gpu_health.h"

#include <cstdlib>
#include <doctest/doctest.h>

#include "cluster/nvml.h"

namespace saturn::gpu_health_test {

namespace {

using Look = std::vector<GpuReading>;
using Changes = std::vector<GpuChange>;

/// "wl?": the first is well, the second lost, of the third nothing is known.
Look look(const std::string& letters) {
  Look all;
  for (size_t i = 0; i < letters.size(); ++i) {
    const char letter = letters[i];
    const auto health = letter == 'w'   ? GpuHealth::kWell
                        : letter == 'l' ? GpuHealth::kLost
                                        : GpuHealth::kUnknown;
    all.push_back({"GPU-" + std::to_string(i), health, letter == 'w' ? "" : std::string("said ") + letter});
  }
  return all;
}

/// The changes of one GPU over looks, a letter each: '.' none, 'L' lost, 'B' back.
std::string story(const std::string& letters) {
  GpuHistory history;
  std::string text;
  for (const char letter : letters) {
    const Changes changes = history.add(look(std::string(1, letter)));
    text += changes.empty() ? '.' : changes.front().lost ? 'L' : 'B';
  }
  return text;
}

/// What the driver says of GPU-a, GPU-b and GPU-c, look after look, while it knows of `gpus` (fake_nvml.cpp).
class Driver {
 public:
  std::string look(const std::string& gpus) {
    ::setenv("SATURN_FAKE_NVML", gpus.c_str(), 1);
    std::string text;
    for (const GpuReading& reading : probe_.read({"GPU-a", "GPU-b", "GPU-c"})) {
      text += reading.health == GpuHealth::kWell   ? "well"
              : reading.health == GpuHealth::kLost ? "LOST " + reading.why
                                                   : "unknown " + reading.why;
      text += "; ";
    }
    return text;
  }

 private:
  GpuProbe probe_{SATURN_FAKE_NVML};
};

constexpr const char* kAll = "NVIDIA L4|GPU-a|100;NVIDIA L4|GPU-b|100;NVIDIA L4|GPU-c|100";
constexpr const char* kOneLost = "NVIDIA L4|GPU-a|100;lost|GPU-b|100;NVIDIA L4|GPU-c|100";
constexpr const char* kWithoutOne = "NVIDIA L4|GPU-a|100;NVIDIA L4|GPU-c|100";

}  // namespace

TEST_CASE("a GPU is lost, and back, when two looks in a row say so") {
  CHECK(story("wwww") == "....");
  CHECK(story("wlww") == "....");
  CHECK(story("wlwlw") == ".....");
  CHECK(story("ll") == ".L");
  CHECK(story("wlllll") == "..L...");
  CHECK(story("llww") == ".L.B");
  CHECK(story("llwlww") == ".L...B");
  CHECK(story("llwwll") == ".L.B.L");
}

TEST_CASE("what is unknown changes nothing, and confirms nothing") {
  CHECK(story("????") == "....");
  CHECK(story("l?l") == "...");
  CHECK(story("l?ll") == "...L");
  CHECK(story("ll?????ww") == ".L......B");
  CHECK(story("llw?w") == ".L...");
}

TEST_CASE("every GPU has a history of its own") {
  GpuHistory history;
  CHECK(history.add(look("wlw")).empty());
  CHECK(history.add(look("wll")) == Changes{{"GPU-1", true, "said l"}});
  CHECK(history.add(look("wwl")) == Changes{{"GPU-2", true, "said l"}});
  CHECK(history.add(look("www")) == Changes{{"GPU-1", false, ""}});
}

TEST_CASE("when nothing is known of any GPU, that is told") {
  GpuHistory history;
  CHECK(history.blind_because().empty());
  history.add(look("w?"));
  CHECK(history.blind_because().empty());
  history.add(look("??"));
  CHECK(history.blind_because() == "said ?");
  history.add(look("?l"));
  CHECK(history.blind_because().empty());
  history.add({});
  CHECK(history.blind_because().empty());
}

TEST_CASE("a look is a line, and other lines are none") {
  for (const char* letters : {"", "w", "wl?"}) {
    const std::string line = to_line(look(letters));
    CHECK(line.ends_with("}\n"));
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(parse_look(line) == look(letters));
  }
  CHECK(
      parse_look(to_line({{"GPU-1", GpuHealth::kLost, "no\nUTF-8: \xff"}}))->front().why.starts_with("no\n"));
  for (const char* text : {"", "{", "[]", "{}", R"({"gpus": 3})", R"({"gpus": [{}]})",
                           R"({"gpus": [{"uuid": "a", "health": "ill", "why": ""}]})",
                           R"({"gpus": [{"uuid": 7, "health": "well", "why": ""}]})"}) {
    CAPTURE(text);
    CHECK(!parse_look(text));
  }
}

TEST_CASE(
    "a lost GPU is told from those that are well, in the same session and in new ones, until it is back") {
  Driver driver;
  CHECK(driver.look(kAll) == "well; well; well; ");
  CHECK(driver.look(kAll) == "well; well; well; ");
  for (int i = 0; i < 3; ++i)
    CHECK(driver.look(kOneLost) == "well; LOST the driver says 'GPU is lost'; well; ");
  CHECK(driver.look(kAll) == "well; well; well; ");
}

TEST_CASE(
    "one that the driver does not list any more, or knows nothing of, is lost, too, while others answer") {
  Driver driver;
  CHECK(driver.look("NVIDIA L4|GPU-a|100;NVIDIA L4|GPU-b|100;strange|GPU-c|100") ==
        "well; well; LOST the driver says 'Unknown Error'; ");
  CHECK(driver.look(kWithoutOne) == "well; LOST the driver says 'Not Found'; well; ");
  CHECK(driver.look(kAll) == "well; well; well; ");
}

TEST_CASE("of a driver that does not work nothing is concluded") {
  const std::string mismatch =
      std::string("unknown ") + SATURN_FAKE_NVML + " does not work: Driver/library version mismatch; ";
  Driver driver;
  CHECK(driver.look("status 18") == mismatch + mismatch + mismatch);
  const std::string not_found = "unknown the driver says 'Not Found'; ";
  CHECK(driver.look("NVIDIA L4|GPU-x|100") == not_found + not_found + not_found);
  const std::string strange = "unknown the driver says 'Unknown Error'; ";
  CHECK(driver.look("strange|GPU-a|100;strange|GPU-b|100;strange|GPU-c|100") == strange + strange + strange);
  CHECK(driver.look("NVIDIA L4|GPU-a|100;failing|GPU-b|100;NVIDIA L4|GPU-c|100") ==
        "well; unknown the driver says 'Driver/library version mismatch'; well; ");
  CHECK(driver.look(kAll) == "well; well; well; ");

  GpuProbe absent("libno-such-library.so.1");
  const Look nothing = absent.read({"GPU-a"});
  CHECK(nothing.front().health == GpuHealth::kUnknown);
  CHECK(nothing.front().why.starts_with("there is no NVIDIA driver"));
}

}  // namespace saturn::gpu_health_test
