#include "cli/command/systemctl.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

constexpr std::string_view kService = "trustd.service";
constexpr std::string_view kSocket = "trustd.socket";
constexpr int kCannotRun = 127;

bool is_there(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

}  // namespace

Systemctl::Systemctl(bool system, const Environment& environment) : system_(system) {
  if (system) {
    manager_runs_ = is_there("/run/systemd/system");
  } else {
    const auto runtime = environment("XDG_RUNTIME_DIR");
    manager_runs_ = runtime && is_there(*runtime + "/systemd/private");
  }
}

int Systemctl::run(const std::vector<std::string>& arguments, std::string* output) const {
  std::vector<std::string> words{"systemctl", "--no-ask-password"};
  if (!system_) words.emplace_back("--user");
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("cannot make a pipe", errno);
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  if (output != nullptr) {
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  pid_t pid = 0;
  const int result = ::posix_spawnp(&pid, "systemctl", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  writing.reset();
  if (result != 0) return kCannotRun;
  std::array<char, 512> buffer{};
  std::string text;
  while (true) {
    const ssize_t count = ::read(reading.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (text.size() < 4096) text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (output != nullptr) *output = std::move(text);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

bool Systemctl::has_service() const {
  std::string output;
  return manager_runs_ &&
         run({"show", "--property=LoadState", "--value", std::string(kService)}, &output) == 0 &&
         output == "loaded\n";
}

pid_t Systemctl::main_pid() const {
  std::string output;
  if (!manager_runs_ ||
      run({"show", "--property=MainPID", "--value", std::string(kService)}, &output) != 0) {
    return 0;
  }
  return static_cast<pid_t>(std::strtol(output.c_str(), nullptr, 10));
}

void Systemctl::start() const {
  if (const int status = run({"start", std::string(kService)}, nullptr); status != 0) {
    throw Error(
        Code::io, "systemctl could not start " + std::string(kService),
        std::string("systemctl ") + (system_ ? "" : "--user ") + "status " + std::string(kService));
  }
}

void Systemctl::stop() const {
  // A socket unit that is not installed is no reason to fail.
  std::string ignored;
  run({"stop", std::string(kSocket)}, &ignored);
  if (const int status = run({"stop", std::string(kService)}, nullptr); status != 0) {
    throw Error(
        Code::io, "systemctl could not stop " + std::string(kService),
        std::string("systemctl ") + (system_ ? "" : "--user ") + "status " + std::string(kService));
  }
}

}  // namespace trust
