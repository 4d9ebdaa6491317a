#include "cli/command/profile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostProfileBytes = 4 * 1024 * 1024;
constexpr int kMostLinks = 40;

// What stood there before is said by the first marker, so that it can be put back as it was.
constexpr std::string_view kBegin = "# >>> trustd >>>\n";
constexpr std::string_view kBeginAfterOpenLine = "# >>> trustd (the line before was open) >>>\n";
constexpr std::string_view kBeginNewFile = "# >>> trustd (the file was not there) >>>\n";
constexpr std::string_view kEnd = "# <<< trustd <<<\n";

struct Block {
  std::size_t begin, end;
  std::string_view marker;
};

std::optional<Block> find_block(std::string_view content) {
  for (std::size_t line = 0; line < content.size();) {
    const std::string_view rest = content.substr(line);
    for (const std::string_view marker : {kBegin, kBeginAfterOpenLine, kBeginNewFile}) {
      if (!rest.starts_with(marker)) continue;
      const std::size_t end = content.find(kEnd, line + marker.size());
      if (end == std::string_view::npos) return std::nullopt;
      return Block{line, end + kEnd.size(), marker};
    }
    const std::size_t next = content.find('\n', line);
    if (next == std::string_view::npos) break;
    line = next + 1;
  }
  return std::nullopt;
}

std::string block_text(std::string_view marker, std::string_view line) {
  return std::string(marker) + std::string(line) + "\n" + std::string(kEnd);
}

// The file that a chain of symlinks ends at, which need not be there yet.
std::string target_of(const std::string& path) {
  fs::path target = path;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code error;
    const fs::path next = fs::read_symlink(target, error);
    if (error) return target.string();
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  throw Error(Code::invalid, "too many symbolic links at " + shown(path));
}

std::optional<std::string> content_of(const std::string& path) {
  try {
    return read_file(path, kMostProfileBytes);
  } catch (const Error& error) {
    if (error.code() == Code::not_found) return std::nullopt;
    throw;
  }
}

void replace(const std::string& path, const std::optional<std::string>& content) {
  const std::string target = target_of(path);
  if (!content) {
    if (::unlink(target.c_str()) != 0) throw system_error("cannot remove " + shown(target), errno);
    return;
  }
  const fs::path parent = fs::path(target).parent_path();
  const std::string directory = parent.empty() ? "." : parent.string();
  std::error_code ignored; // what is wrong with it is said by open
  fs::create_directories(directory, ignored);
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error("cannot open " + shown(directory), errno);
  const std::string name = fs::path(target).filename().string();
  struct stat before {};
  const bool existed = ::fstatat(fd.get(), name.c_str(), &before, AT_SYMLINK_NOFOLLOW) == 0;
  write_file_at(fd.get(), name, *content, existed ? before.st_mode & 07777U : 0644U);
  // Root edits a user's profile: it stays the user's.
  if (existed && (before.st_uid != ::geteuid() || before.st_gid != ::getegid()) &&
      ::fchownat(fd.get(), name.c_str(), before.st_uid, before.st_gid, AT_SYMLINK_NOFOLLOW) != 0 &&
      before.st_uid != ::geteuid()) {
    throw system_error("cannot keep the owner of " + shown(target), errno);
  }
}

// As Layout finds it: HOME, else the password database.
std::string home_of(const Environment& environment) {
  constexpr std::string_view kBelow = "/.config/trustd/trustd.toml";
  const auto home_alone = [&environment](std::string_view name) {
    return name == "HOME" ? environment(name) : std::nullopt;
  };
  const std::string config = Layout::user(home_alone).config;
  return config.substr(0, config.size() - kBelow.size());
}

}  // namespace

std::string with_block(const std::optional<std::string>& content, std::string_view line) {
  if (!content) return block_text(kBeginNewFile, line);
  if (const auto block = find_block(*content)) {
    std::string rest = content->substr(block->end);
    while (const auto more = find_block(rest)) {
      rest.erase(more->begin, more->end - more->begin);
    }
    return content->substr(0, block->begin) + block_text(block->marker, line) + rest;
  }
  if (content->empty() || content->ends_with('\n')) return *content + block_text(kBegin, line);
  return *content + "\n" + block_text(kBeginAfterOpenLine, line);
}

std::optional<std::string> without_block(const std::string& content) {
  std::string result = content;
  while (const auto block = find_block(result)) {
    std::size_t begin = block->begin;
    const bool is_last = block->end == result.size();
    if (block->marker == kBeginAfterOpenLine && is_last && begin > 0) --begin;
    const bool was_new = block->marker == kBeginNewFile;
    result.erase(begin, block->end - begin);
    if (was_new && result.empty()) return std::nullopt;
  }
  return result;
}

Profile profile_for(const std::optional<std::string>& given, const Environment& environment,
                    const std::string& home) {
  if (given) return {*given, given->ends_with(".fish")};
  const std::string shell = fs::path(environment("SHELL").value_or("")).filename().string();
  if (shell == "bash") return {home + "/.bashrc"};
  if (shell == "zsh") return {environment("ZDOTDIR").value_or(home) + "/.zshrc"};
  if (shell == "fish") {
    return {environment("XDG_CONFIG_HOME").value_or(home + "/.config") + "/fish/conf.d/trustd.fish",
            true};
  }
  return {home + "/.profile"};
}

std::string sourcing_line(const std::string& store, bool fish) {
  const std::string file =
      shell_word(store + (fish ? "/current/env/env.fish" : "/current/env/env.sh"));
  if (fish) return "if test -r " + file + "; source " + file + "; end";
  return "if [ -r " + file + " ]; then . " + file + "; fi";
}

int profile_command(Context& context, const ProfileArguments& arguments) {
  const Profile profile =
      profile_for(arguments.profile, context.environment(), home_of(context.environment()));
  const std::optional<std::string> before = content_of(profile.file);
  std::optional<std::string> after;
  if (!arguments.uninstall) {
    const std::string line = sourcing_line(context.published_store().directory, profile.fish);
    after = with_block(before, line);
  } else if (before) {
    after = without_block(*before);
  }
  const bool changed = before != after;
  if (changed) replace(profile.file, after);
  if (context.globals().json) {
    context.print_json(
        {{"profile", profile.file}, {"installed", !arguments.uninstall}, {"changed", changed}});
    return 0;
  }
  const std::string file = shown(profile.file);
  if (arguments.uninstall) {
    context.terminal().note(changed ? "taken out of " + file : file + " has no line of trustd");
  } else {
    context.terminal().note(changed ? "added to " + file +
                                          "; new shells have the variables, this "
                                          "one has them with:  . " +
                                          shell_word(profile.file)
                                    : file + " has the line already");
  }
  return 0;
}

}  // namespace trust
