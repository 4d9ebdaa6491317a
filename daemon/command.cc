#include "daemon/command.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

using Time = std::chrono::steady_clock::time_point;

// execve takes 128 KiB for one word and a quarter of the stack for all.
constexpr std::size_t kMostWordBytes = std::size_t{64} << 10;
constexpr std::size_t kMostBytes = std::size_t{512} << 10;
constexpr std::size_t kReadBytes = std::size_t{16} << 10;
constexpr int kMostLastReads = 5; // more than a pipe holds
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// posix_spawn's settings, freed with the object.
struct SpawnSettings {
  SpawnSettings() {
    if (::posix_spawnattr_init(&attributes) != 0 ||
        ::posix_spawn_file_actions_init(&actions) != 0) {
      throw std::bad_alloc();
    }
  }
  ~SpawnSettings() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
};

void check(const Command& command) {
  if (command.words.empty() || command.words[0].empty() || command.words[0][0] != '/') {
    throw Error(Code::invalid, "a command does not begin with a program's absolute path");
  }
  const std::string& program = command.words[0];
  std::size_t bytes = 0;
  const auto count = [&](const std::string& text) {
    if (text.size() > kMostWordBytes || (bytes += text.size()) > kMostBytes) {
      throw Error(Code::too_large, "what is passed on to " + shown(program) + " is too long");
    }
    if (text.find('\0') != text.npos) {
      throw Error(Code::invalid, "what is passed on to " + shown(program) + " has a NUL in it");
    }
  };
  for (const std::string& word : command.words) count(word);
  for (const auto& [name, value] : command.variables) {
    if (name.empty() || name.find('=') != name.npos) {
      throw Error(Code::invalid, "\"" + shown(name) + "\" is no name of a variable");
    }
    count(name);
    count(value);
  }
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

void must(int error, const std::string& program) {
  if (error != 0) throw system_error("starting " + shown(program), error);
}

// The process, or the reason why there is none. posix_spawn waits until the program runs, so that
// a program which is not there is an error here.
int spawn(const Command& command, int output, pid_t& pid) {
  SpawnSettings settings;
  const std::string& program = command.words[0];
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  must(::posix_spawnattr_setsigmask(&settings.attributes, &none), program);
  must(::posix_spawnattr_setsigdefault(&settings.attributes, &all), program);
  must(
      ::posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                           POSIX_SPAWN_SETSIGDEF),
      program);
  auto* actions = &settings.actions;
  must(::posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
       program);
  must(::posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO), program);
  must(::posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO), program);
  must(::posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1), program);
  must(::posix_spawn_file_actions_addchdir_np(actions, "/"), program);

  std::vector<std::string> words = command.words;
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.variables) variables.push_back(name + "=" + value);
  return ::posix_spawn(&pid, program.c_str(), actions, &settings.attributes,
                       pointers_to(words).data(), pointers_to(variables).data());
}

// A started command. Whatever happens, at the end of the object the process has ended, its group
// is killed and it has been waited for.
class Running {
 public:
  explicit Running(pid_t pid)
      : pid_(pid), fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
    if (fd_) return;
    const int error = errno;
    end();
    throw system_error("watching a command", error);
  }
  ~Running() {
    if (pid_ > 0) end();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  int fd() const noexcept { return fd_.get(); }
  // Kills what is left of the group, then waits: until it is waited for, the number belongs to
  // nobody else.
  siginfo_t end() noexcept {
    ::kill(-pid_, SIGKILL);
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
    }
    pid_ = 0;
    return info;
  }

 private:
  pid_t pid_;
  Fd fd_;
};

// The last kKeptOutputBytes of what is written. False at the end of it.
bool read_some(int fd, std::string& output) {
  std::array<char, kReadBytes> buffer;
  const auto length = ::read(fd, buffer.data(), buffer.size());
  if (length < 0) return errno == EAGAIN || errno == EINTR;
  if (length == 0) return false;
  output.append(buffer.data(), static_cast<std::size_t>(length));
  if (output.size() > kKeptOutputBytes) output.erase(0, output.size() - kKeptOutputBytes);
  return true;
}

// Waits for the end of the command: none if it ended by itself.
std::optional<CommandEnd::How> wait_for_end(const Command& command, int process, int output,
                                            std::string& text) {
  const Time deadline = std::chrono::steady_clock::now() + command.time_limit;
  std::array<pollfd, 3> fds{
      {{process, POLLIN, 0}, {output, POLLIN, 0}, {command.stop_fd, POLLIN, 0}}};
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return CommandEnd::How::out_of_time;
    const int timeout = static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
    if (::poll(fds.data(), fds.size(), timeout) < 0 && errno != EINTR) {
      throw system_error("waiting for a command", errno);
    }
    if (fds[2].revents != 0) return CommandEnd::How::stopped;
    if (fds[1].revents != 0 && !read_some(output, text)) fds[1].fd = -1;
    if (fds[0].revents != 0) return std::nullopt;
  }
}

std::string last_line(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == text.npos) return {};
  text = text.substr(0, end + 1);
  const std::size_t start = text.find_last_of("\r\n");
  return shown(start == text.npos ? text : text.substr(start + 1));
}

std::optional<std::string> of_the_password_database(char* passwd::*member) {
  std::vector<char> buffer(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr || found->*member == nullptr || *(found->*member) == '\0') {
    return std::nullopt;
  }
  return found->*member;
}

} // namespace

std::string CommandEnd::sentence(const Command& command) const {
  const std::string program = command.words.empty() ? "" : shown(command.words[0]);
  std::string text = program;
  switch (how) {
    case How::exited: text += " ended with status " + std::to_string(number); break;
    case How::signalled: text += " was ended by signal " + std::to_string(number); break;
    case How::out_of_time:
      text += " did not end within " +
              std::to_string(std::chrono::ceil<std::chrono::seconds>(command.time_limit).count()) +
              " s and was killed";
      break;
    case How::stopped: text += " was killed because the daemon stops"; break;
    case How::not_started:
      text += " could not be started: " + std::string(std::strerror(number));
      break;
  }
  const std::string line = last_line(output);
  return line.empty() ? text : text + ": " + line;
}

CommandEnd run_command(const Command& command) {
  check(command);
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("a pipe", errno);
  const Fd output(ends[0]);
  Fd low(ends[1]); // it may be one of the three that the command gets
  Fd input(::fcntl(low.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!input) throw system_error("a pipe", errno);
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);

  CommandEnd end;
  pid_t pid = 0;
  if (const int error = spawn(command, input.get(), pid); error != 0) {
    if (error == EAGAIN || error == ENOMEM) {
      throw system_error("starting " + shown(command.words[0]), error);
    }
    end.number = error;
    return end;
  }
  Running running(pid);
  input.reset();
  low.reset();
  const auto cut_short = wait_for_end(command, running.fd(), output.get(), end.output);
  const siginfo_t info = running.end();
  // What it wrote last; a process that left its group may hold the pipe, and is not waited for.
  for (int times = 0; times < kMostLastReads; ++times) {
    pollfd readable{output.get(), POLLIN, 0};
    if (::poll(&readable, 1, 0) <= 0 || !read_some(output.get(), end.output)) break;
  }
  if (cut_short) {
    end.how = *cut_short;
  } else {
    end.how = info.si_code == CLD_EXITED ? CommandEnd::How::exited : CommandEnd::How::signalled;
    end.number = info.si_status;
  }
  return end;
}

Variables ordinary_variables(const Environment& environment) {
  Variables variables{{"PATH", kPath}, {"LANG", "C.UTF-8"}};
  const std::pair<const char*, char * passwd::*> known[] = {
      {"HOME", &passwd::pw_dir}, {"USER", &passwd::pw_name}, {"LOGNAME", &passwd::pw_name}};
  for (const auto& [name, member] : known) {
    if (auto value = of_the_password_database(member)) variables.emplace_back(name, *value);
  }
  variables.emplace_back("SHELL", "/bin/sh");
  for (const char* name : {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}) {
    if (auto value = environment(name)) variables.emplace_back(name, *value);
  }
  return variables;
}

} // namespace trust
