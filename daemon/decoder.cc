#include "daemon/decoder.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/provider.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

// Of one file that is watched; a bundle of all public roots is 150.
constexpr std::size_t kMostCertificates = 2'000;
constexpr std::size_t kMostOutputBytes = std::size_t{16} << 20;
constexpr rlim_t kMostMemoryBytes = rlim_t{512} << 20;
constexpr rlim_t kMostCpu_s = 5;
constexpr uid_t kNobody = 65534;

// What the process writes: 'C', a length and a certificate; 'P', a line and a fault; 'E' at the
// end. Numbers are 4 bytes, little-endian.
constexpr char kCertificate = 'C';
constexpr char kProblem = 'P';
constexpr char kEnd = 'E';

// ---- in the process -------------------------------------------------------------

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0; // no filter: the other bounds hold
#endif

constexpr std::array kAllowed{
    __NR_read,
    __NR_write,
    __NR_close,
    __NR_exit,
    __NR_exit_group,
    __NR_mmap,
    __NR_munmap,
    __NR_mremap,
    __NR_mprotect,
    __NR_madvise,
    __NR_brk,
    __NR_futex,
    __NR_rt_sigreturn,
    __NR_rt_sigprocmask,
    __NR_rt_sigaction,
    __NR_getrandom,
    __NR_getpid,
    __NR_gettid,
    __NR_clock_gettime,
    __NR_sched_yield,
    __NR_sched_getaffinity, // how many processors there are
};

// Everything else fails as if it were forbidden, which it is.
bool allow_little() {
  if (kArchitecture == 0) return true;
  std::array<sock_filter, 2 * kAllowed.size() + 6> program{};
  std::size_t n = 0;
  const auto statement = [&](std::uint16_t code, std::uint32_t k) {
    program[n++] = BPF_STMT(code, k);
  };
  const auto jump = [&](std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
    program[n++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no);
  };
  statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
  jump(kArchitecture, 1, 0);
  statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
  for (const int call : kAllowed) {
    jump(static_cast<std::uint32_t>(call), 0, 1);
    statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  sock_fprog filter{static_cast<unsigned short>(n), program.data()};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool limit(__rlimit_resource what, rlim_t most) {
  const rlimit bound{most, most};
  return ::setrlimit(what, &bound) == 0;
}

bool give_up_rights() {
  // What OpenSSL reads from files it reads now.
  OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr);
  OSSL_PROVIDER_load(nullptr, "default");
  OSSL_PROVIDER_load(nullptr, "legacy"); // PKCS#12 of old; none: such a file is not read
  ::close_range(3, ~0U, 0);
  if (::chdir("/") != 0) return false;
  if (::geteuid() == 0 &&
      (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
       ::setresuid(kNobody, kNobody, kNobody) != 0)) {
    // In a user namespace there may be no such user: then there is nobody to become.
    if (errno != EINVAL && errno != EPERM) return false;
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (!limit(RLIMIT_AS, kMostMemoryBytes)) return false;
#endif
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_DUMPABLE, 0) == 0 &&
         limit(RLIMIT_CPU, kMostCpu_s) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) &&
         limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, 3) && allow_little();
}

bool write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

void append_number(std::string& to, std::uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) to += static_cast<char>(number >> shift & 0xff);
}

std::string read_input() {
  std::string bytes;
  std::array<char, 65536> buffer;
  while (bytes.size() <= kMaxImportBytes) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return bytes;
}

// ---- in the daemon --------------------------------------------------------------

// Takes apart what the process wrote, and believes nothing of it.
class ChildAnswer {
 public:
  explicit ChildAnswer(std::string_view bytes) : rest_(bytes) {}

  bool read(DecodedFile& to) {
    while (!rest_.empty()) {
      const char kind = rest_.front();
      rest_.remove_prefix(1);
      if (kind == kEnd) return rest_.empty();
      const auto number = take_number();
      if (!number) return false;
      if (kind == kProblem) {
        if (rest_.empty() || static_cast<std::uint8_t>(rest_.front()) >= kExtractFaults) {
          return false;
        }
        const auto fault = static_cast<ExtractFault>(rest_.front());
        rest_.remove_prefix(1);
        to.problems.push_back((*number != 0 ? std::to_string(*number) + ": " : "") +
                              std::string(words_of(fault)));
      } else if (kind == kCertificate && *number <= rest_.size()) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(rest_.data());
        to.certificates.push_back(Certificate::from_der({bytes, *number}));
        rest_.remove_prefix(*number);
      } else {
        return false;
      }
    }
    return false;
  }

 private:
  std::optional<std::uint32_t> take_number() {
    if (rest_.size() < 4) return std::nullopt;
    std::uint32_t number = 0;
    for (int i = 3; i >= 0; --i) {
      number = number << 8 | static_cast<std::uint8_t>(rest_[static_cast<std::size_t>(i)]);
    }
    rest_.remove_prefix(4);
    return number;
  }

  std::string_view rest_;
};

struct Spawning {
  Spawning() {
    if (::posix_spawnattr_init(&attributes) != 0 ||
        ::posix_spawn_file_actions_init(&actions) != 0) {
      throw std::bad_alloc();
    }
  }
  ~Spawning() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
};

pid_t spawn(int in, int out) {
  Spawning with;
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&with.attributes, &none);
  ::posix_spawnattr_setsigdefault(&with.attributes, &all);
  ::posix_spawnattr_setflags(&with.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawn_file_actions_adddup2(&with.actions, in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&with.actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&with.actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string name = "trustd-decoder";
  std::string argument = kDecoderArgument;
  std::array<char*, 3> words{name.data(), argument.data(), nullptr};
  std::array<char*, 1> variables{nullptr};
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, "/proc/self/exe", &with.actions, &with.attributes,
                                   words.data(), variables.data());
  if (failed != 0) throw system_error("no process to read a file in", failed);
  return pid;
}

} // namespace

int decoder_main() noexcept {
  try {
    if (!give_up_rights()) return 1;
    const Extracted extracted = extract(read_input());
    std::string out;
    std::size_t count = 0;
    for (const Certificate& certificate : extracted.certificates) {
      if (++count > kMostCertificates) break;
      const ByteView der = certificate.der();
      out += kCertificate;
      append_number(out, static_cast<std::uint32_t>(der.size()));
      out.append(reinterpret_cast<const char*>(der.data()), der.size());
    }
    const auto add_problem = [&out](std::uint32_t line, ExtractFault fault) {
      out += kProblem;
      append_number(out, line);
      out += static_cast<char>(fault);
    };
    for (const ExtractProblem& problem : extracted.problems) {
      add_problem(problem.line, problem.fault);
    }
    if (extracted.certificates.size() > kMostCertificates) add_problem(0, ExtractFault::too_large);
    out += kEnd;
    // Without what the program does at its end: it may do nothing any more.
    ::_exit(write_all(out) ? 0 : 1);
  } catch (...) {
    ::_exit(2);
  }
}

DecodedFile decode_apart(int fd, std::chrono::milliseconds time) {
  using Steady = std::chrono::steady_clock;
  const auto until = Steady::now() + time;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("no pipe", errno);
  const Fd in(ends[0]);
  Fd out(ends[1]);
  const pid_t pid = spawn(fd, out.get());
  out.reset();

  std::string answer;
  bool whole = false;
  std::array<char, 65536> buffer;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now()).count();
    pollfd readable{in.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&readable, 1, static_cast<int>(left)) <= 0) break;
    const ssize_t got = ::read(in.get(), buffer.data(), buffer.size());
    if (got <= 0) {
      whole = got == 0;
      break;
    }
    answer.append(buffer.data(), static_cast<std::size_t>(got));
    if (answer.size() > kMostOutputBytes) break;
  }
  if (!whole) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  DecodedFile decoded;
  if (!whole) {
    decoded.problems.push_back("it takes too long to read");
    return decoded;
  }
  try {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && ChildAnswer(answer).read(decoded)) {
      return decoded;
    }
  } catch (const Error&) {
    // What the process called a certificate is none.
  }
  decoded = {};
  decoded.problems.push_back("it cannot be read: its decoder broke off");
  return decoded;
}

} // namespace trust
