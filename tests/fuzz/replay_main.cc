// Runs a fuzz target without libFuzzer:
//   NAME_corpus_test [--light] [--seconds=N] FOLDER|FILE...
//
// Each file is handed to the target as it is, cut off at each length, and with
// seeded mutations, so that an ordinary test run already covers a good deal
// around the corpus; what is left of N seconds goes to more mutations, of
// further seeds. An input that crashes is named before the process ends.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace p2pcp::fuzz {
namespace {

using Input = std::vector<std::uint8_t>;

// Of every file: mutations, and cuts at most (evenly spread over longer files).
// A tenth of both for files of more than kLong bytes, and with --light: for
// targets whose single run takes a millisecond.
constexpr int kMutations = 500;
constexpr std::size_t kCuts = 1024;
constexpr std::size_t kLong = 4096;

constexpr std::uint64_t kSeed = 1;
// Of each file in a further round.
constexpr int kMutationsPerRound = 20;

// What is running, for the signal handler.
std::array<char, 512> current{};

void Describe(const std::string& file, std::string_view how, std::size_t n) {
  std::snprintf(current.data(), current.size(), "crashed on %s, %.*s %zu\n",
                file.c_str(), static_cast<int>(how.size()), how.data(), n);
}

void HandleCrash(int signal_number) {
  // Only async-signal-safe calls from here on.
  const std::string_view text(current.data());
  [[maybe_unused]] const ssize_t n =
      write(STDERR_FILENO, text.data(), text.size());
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

// A copy of exactly this size, so that a sanitizer sees each byte beyond.
void Run(const Input& input) {
  Input exact(input.begin(), input.end());
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Input Mutate(Input input, Random& random) {
  const std::uint64_t changes = 1 + random.Below(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const std::size_t at = random.Below(input.size() + 1);
    const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
    const auto byte = static_cast<std::uint8_t>(random.NextU64());
    const std::uint64_t kind = random.Below(5);
    if (kind == 0) {
      input.insert(position, 1 + random.Below(8), byte);
    } else if (at == input.size()) {
      input.push_back(byte);
    } else if (kind == 1) {
      const std::size_t count =
          std::min<std::size_t>(1 + random.Below(8), input.size() - at);
      input.erase(position, position + static_cast<std::ptrdiff_t>(count));
    } else if (kind == 2) {
      *position = byte;
    } else if (kind == 3) {
      *position ^= static_cast<std::uint8_t>(1u << random.Below(8));
    } else {
      constexpr std::array<std::uint8_t, 6> kEdges = {0,    1,    0x3f,
                                                      0x7f, 0x80, 0xff};
      *position = kEdges[random.Below(kEdges.size())];
    }
  }
  return input;
}

Input ReadInput(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t Replay(const std::filesystem::path& path, bool light,
                   Random& random) {
  const Input input = ReadInput(path);
  const std::string name = path.string();
  const std::size_t scale = light || input.size() > kLong ? 10 : 1;
  std::size_t runs = 1;
  Describe(name, "whole,", input.size());
  Run(input);
  const std::size_t cuts = std::min(input.size(), kCuts / scale);
  for (std::size_t i = 0; i < cuts; ++i, ++runs) {
    const std::size_t size = i * input.size() / cuts;
    Describe(name, "cut off at", size);
    Run(Input(input.begin(),
              input.begin() + static_cast<std::ptrdiff_t>(size)));
  }
  for (std::size_t i = 0; i < kMutations / scale; ++i, ++runs) {
    Describe(name, "mutation", i);
    Run(Mutate(input, random));
  }
  return runs;
}

// Mutations only, of a seed that the round gives.
std::size_t Round(const std::vector<Input>& inputs,
                  const std::vector<std::string>& names, std::uint64_t round) {
  std::size_t runs = 0;
  for (std::size_t file = 0; file < inputs.size(); ++file) {
    SeededRandom random(kSeed + round);
    for (int i = 0; i < kMutationsPerRound; ++i, ++runs) {
      Describe(names[file], "in round " + std::to_string(round) + ", mutation",
               static_cast<std::size_t>(i));
      Run(Mutate(inputs[file], random));
    }
  }
  return runs;
}

int Main(const std::vector<std::string>& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  for (const int signal_number : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) {
    std::signal(signal_number, HandleCrash);
  }
  bool light = false;
  std::chrono::seconds time{0};
  std::vector<std::filesystem::path> files;
  for (const std::string& argument : arguments) {
    if (argument == "--light") {
      light = true;
      continue;
    }
    constexpr std::string_view kSeconds = "--seconds=";
    if (argument.starts_with(kSeconds)) {
      time = std::chrono::seconds(std::stoi(argument.substr(kSeconds.size())));
      continue;
    }
    if (!std::filesystem::is_directory(argument)) {
      files.emplace_back(argument);
      continue;
    }
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(argument)) {
      if (!entry.is_directory()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "no inputs\n");
    return 1;
  }
  std::size_t runs = 0;
  for (const auto& file : files) {
    // The same mutations for a file whichever others there are.
    SeededRandom random(kSeed);
    runs += Replay(file, light, random);
  }
  std::vector<Input> inputs;
  std::vector<std::string> names;
  for (const auto& file : files) {
    inputs.push_back(ReadInput(file));
    names.push_back(file.string());
  }
  for (std::uint64_t round = 1; std::chrono::steady_clock::now() < begin + time;
       ++round) {
    runs += Round(inputs, names, round);
  }
  std::printf("%zu files, %zu inputs\n", files.size(), runs);
  return 0;
}

}  // namespace
}  // namespace p2pcp::fuzz

int main(int argc, char** argv) {
  return p2pcp::fuzz::Main({argv + 1, argv + argc});
}
