#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

std::string_view code_of(Style style) {
  switch (style) {
    case Style::plain: return "";
    case Style::strong: return "\033[1m";
    case Style::dim: return "\033[2m";
    case Style::good: return "\033[32m";
    case Style::warning: return "\033[33m";
    case Style::bad: return "\033[31m";
  }
  return "";
}

std::string in_colour(std::string_view text, Style style) {
  if (style == Style::plain || text.empty()) return std::string(text);
  return std::string(code_of(style)) + std::string(text) + "\033[0m";
}

std::size_t columns_of(int fd, const Environment& environment) {
  if (const auto columns = environment("COLUMNS")) {
    const unsigned long value = std::strtoul(columns->c_str(), nullptr, 10);
    if (value >= 20 && value <= 10'000) return value;
  }
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  return 80;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// A terminal in canonical mode hands over a line at a time; byte for byte, so that nothing
// behind the line is taken from whoever reads next.
std::string read_line(int fd) {
  constexpr std::size_t kMostBytes = 1024;
  std::string line;
  char byte = 0;
  while (line.size() < kMostBytes) {
    const ssize_t count = ::read(fd, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || byte == '\n') break;
    line += byte;
  }
  return line;
}

bool is_yes(std::string line) {
  std::erase_if(line, [](char c) { return c == ' ' || c == '\r' || c == '\t'; });
  std::transform(line.begin(), line.end(), line.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return line == "y" || line == "yes";
}

Fd controlling_terminal() { return Fd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)); }

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kPiece = 48;  // escaped, still below the length at which shown() cuts
  std::string result;
  while (!text.empty()) {
    std::size_t length = std::min(kPiece, text.size());
    // Not in the middle of a UTF-8 sequence, which has at most three bytes after its first.
    for (int back = 0; back < 3 && length < text.size() && length > 1 &&
                       (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U;
         ++back) {
      --length;
    }
    result += shown(text.substr(0, length));
    text.remove_prefix(length);
  }
  return result;
}

std::string shell_word(std::string_view word) {
  const bool is_plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:,@%+=").find(c) != std::string_view::npos;
  });
  if (is_plain) return std::string(word);
  std::string result = "'";
  for (const char c : word) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

Terminal::Terminal(const Options& options, const Environment& environment)
    : quiet_(options.quiet), error_is_terminal_(::isatty(STDERR_FILENO) == 1) {
  const bool output_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  const bool colour = !options.no_color && !environment("NO_COLOR") &&
                      environment("TERM").value_or("dumb") != "dumb";
  output_colour_ = colour && output_is_terminal;
  error_colour_ = colour && error_is_terminal_;
  if (output_is_terminal) width_ = columns_of(STDOUT_FILENO, environment);
}

std::string Terminal::styled(std::string_view text, Style style) const {
  return output_colour_ ? in_colour(text, style) : std::string(text);
}

void Terminal::out(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Terminal::line(std::string_view text) const {
  out(text);
  out("\n");
}

void Terminal::say(std::string_view text) const {
  if (!quiet_) line(text);
}

void Terminal::note(std::string_view text) const {
  if (quiet_) return;
  write_all(STDERR_FILENO, std::string(text) + "\n");
}

void Terminal::warn(std::string_view text) const {
  const std::string word = error_colour_ ? in_colour("warning:", Style::warning) : "warning:";
  write_all(STDERR_FILENO, word + " " + std::string(text) + "\n");
}

void Terminal::complain(const Error& error) const {
  const auto mark = [this](std::string_view word, Style style) {
    return error_colour_ ? in_colour(word, style) : std::string(word);
  };
  std::string text = mark("trustctl:", Style::bad) + " " + error.message() + "\n";
  if (!error.hint().empty()) text += mark("hint:", Style::strong) + " " + error.hint() + "\n";
  std::fflush(stdout);
  write_all(STDERR_FILENO, text);
}

void Terminal::progress(std::string_view text) const {
  if (quiet_ || !error_is_terminal_) return;
  write_all(STDERR_FILENO, "\r\033[K" + std::string(text));
}

bool Terminal::can_ask() const {
  if (::isatty(STDIN_FILENO) == 1) return true;
  if (::isatty(STDOUT_FILENO) != 1 && ::isatty(STDERR_FILENO) != 1) return false;
  return static_cast<bool>(controlling_terminal());
}

bool Terminal::ask(std::string_view text, std::string_view question) const {
  // The terminal itself, whatever the standard streams are: what is asked must be seen by whoever
  // answers. A terminal that does not control this process is written where it is read.
  const Fd terminal = controlling_terminal();
  const bool stdin_is_terminal = ::isatty(STDIN_FILENO) == 1;
  if (!terminal && !stdin_is_terminal) return false;
  const int input = stdin_is_terminal ? STDIN_FILENO : terminal.get();
  const int output = terminal ? terminal.get() : STDIN_FILENO;
  std::fflush(stdout);
  write_all(output, std::string(text) + std::string(question) + " [y/N] ");
  return is_yes(read_line(input));
}

std::string Terminal::ask_secret(std::string_view question) const {
  const Fd terminal = controlling_terminal();
  const bool has_person = can_ask();
  if (!has_person || (!terminal && ::isatty(STDIN_FILENO) != 1)) {
    throw Error(Code::not_confirmed,
                std::string(question) + " is wanted, and nobody is here to ask");
  }
  const int fd = terminal ? terminal.get() : STDIN_FILENO;
  termios before{};
  const bool has_echo = ::tcgetattr(fd, &before) == 0;
  termios unseen = before;
  unseen.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  if (has_echo) ::tcsetattr(fd, TCSAFLUSH, &unseen);
  write_all(fd, std::string(question) + ": ");
  std::string secret = read_line(fd);
  if (has_echo) ::tcsetattr(fd, TCSAFLUSH, &before);
  write_all(fd, "\n");
  return secret;
}

void Terminal::finish() const {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw system_error("cannot write to standard output", errno);
  }
}

} // namespace trust
