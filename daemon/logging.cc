#include "daemon/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace trust {
namespace {

// "<6>" before a line: sd-daemon(3).
class JournalLevel : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& to) override {
    const char digit = digit_of(message.level);
    const char prefix[] = {'<', digit, '>'};
    to.append(prefix, prefix + sizeof prefix);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalLevel>();
  }

 private:
  static char digit_of(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::critical: return '2';
      case spdlog::level::err: return '3';
      case spdlog::level::warn: return '4';
      case spdlog::level::info: return '6';
      case spdlog::level::trace:
      case spdlog::level::debug:
      case spdlog::level::off:
      case spdlog::level::n_levels: break;
    }
    return '7';
  }
};

// Whether standard error is a stream of the journal: $JOURNAL_STREAM is its device and inode.
bool is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) == stream;
}

} // namespace

void set_up_logging() {
  auto logger =
      std::make_shared<spdlog::logger>("trustd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (is_journal()) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<JournalLevel>('*').set_pattern("%*%v");
    logger->set_formatter(std::move(formatter));
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S%z %l: %v");
  }
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

} // namespace trust
