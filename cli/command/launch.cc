#include "cli/command/launch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string_view>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::array<std::string_view, 6> kBeside{
    "/trustd",        "/../daemon/trustd",  "/../sbin/trustd",
    "/../bin/trustd", "/../libexec/trustd", "/../libexec/trustd/trustd"};

bool is_program(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

// What the detached process says through the pipe before it becomes trustd, or instead of it.
struct Report {
  pid_t pid;
  int error_number;
};

// Between fork and exec: only calls that may be made there.
[[noreturn]] void become(const char* program, char* const* argv, int log, int report) {
  ::setsid();
  const pid_t pid = ::fork();
  if (pid != 0) ::_exit(pid < 0 ? 1 : 0);
  Report said{::getpid(), 0};
  [[maybe_unused]] ssize_t written = ::write(report, &said, sizeof(said));
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  [[maybe_unused]] const int changed = ::chdir("/");
  ::execv(program, argv);
  said.error_number = errno;
  written = ::write(report, &said, sizeof(said));
  ::_exit(127);
}

bool read_report(int fd, Report& report) {
  while (true) {
    const ssize_t count = ::read(fd, &report, sizeof(report));
    if (count < 0 && errno == EINTR) continue;
    return count == sizeof(report);
  }
}

}  // namespace

std::string find_trustd(const Environment& environment) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
  if (length > 0) {
    const std::string_view self(buffer.data(), static_cast<std::size_t>(length));
    const std::string directory(self.substr(0, self.rfind('/')));
    for (const std::string_view beside : kBeside) {
      const std::string path = directory + std::string(beside);
      if (is_program(path)) return path;
    }
  }
  const std::string path = environment("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, colon)) + "/trustd";
    if (candidate.starts_with('/') && is_program(candidate)) return candidate;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  throw Error(Code::not_found, "trustd is neither beside trustctl nor on PATH");
}

Launched launch(const std::string& program, const std::vector<std::string>& arguments,
                const std::string& log_path) {
  const Fd log(
      ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log) throw system_error("cannot open the log " + shown(log_path), errno);
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("cannot make a pipe", errno);
  const Fd reading(ends[0]);
  Fd writing(ends[1]);

  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t child = ::fork();
  if (child < 0) throw system_error("cannot start a process", errno);
  if (child == 0) become(program.c_str(), argv.data(), log.get(), writing.get());
  writing.reset();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  Report report{};
  if (!read_report(reading.get(), report)) throw Error(Code::io, "cannot start a process");
  Launched launched;
  launched.pid = report.pid;
  launched.handle = Fd(static_cast<int>(::syscall(SYS_pidfd_open, report.pid, 0)));
  if (read_report(reading.get(), report)) {  // else the pipe was closed by exec
    throw system_error("cannot run " + shown(program), report.error_number);
  }
  return launched;
}

std::string last_line(const std::string& log) {
  constexpr off_t kMostBytes = 4096;
  const Fd fd(::open(log.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return {};
  std::string text(static_cast<std::size_t>(std::min<off_t>(status.st_size, kMostBytes)), '\0');
  const ssize_t count =
      ::pread(fd.get(), text.data(), text.size(), status.st_size - static_cast<off_t>(text.size()));
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace trust
