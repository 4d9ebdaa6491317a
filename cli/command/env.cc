#include "cli/command/env.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "libtrust/emit/env.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

constexpr int kNotStarted = 125;
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
constexpr std::size_t kBeginning = 16 * 1024;

// The beginning of a published file; "" if there is none.
std::string beginning_of(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(kBeginning, '\0');
  const ssize_t count = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

// What the published files hold: the first block stands at the beginning of a bundle.
EnvFacts published_facts(const std::string& store) {
  const auto has_certificates = [&store](const char* name) {
    return beginning_of(store + name).find("-----BEGIN ") != std::string::npos;
  };
  EnvFacts facts;
  facts.bundle_has_certificates = has_certificates("/current/bundle.pem");
  facts.extra_has_certificates = has_certificates("/current/extra.pem");
  return facts;
}

EnvMerge merged(const Context& context, bool java, bool force) {
  const StoreChoice store = context.published_store();
  const EnvFacts facts = published_facts(store.directory);
  if (!facts.bundle_has_certificates) {
    context.terminal().warn("the store at " + shown(store.directory) +
                            " trusts nothing, so no variable is pointed at its bundle");
  }
  EnvMerge merge = merge_environment(
      context.environment(), environment_for(store.directory, facts, {.java = java}), force);
  for (const EnvMerge::Conflict& conflict : merge.conflicts) {
    context.terminal().warn(conflict.name + " is set to " + shown(conflict.current) +
                            (force ? "; replaced" : "; kept (--force replaces it)"));
  }
  return merge;
}

}  // namespace

int env_command(Context& context, const EnvArguments& arguments) {
  const std::string shell = context.globals().json ? "json" : arguments.shell;
  const EnvMerge merge = merged(context, arguments.java, arguments.force);
  const Terminal& terminal = context.terminal();
  if (shell == "fish") {
    terminal.out(fish_text(merge.set));
  } else if (shell == "dotenv") {
    terminal.out(dotenv_text(merge.set));
  } else if (shell == "json") {
    terminal.out(json_text(merge.set));
  } else {
    terminal.out(sh_text(merge.set));
  }
  return 0;
}

int run_command(Context& context, const RunArguments& arguments) {
  constexpr bool kOverride = true; // who says `run` means this command, here and now
  const std::string& program = arguments.command.front();
  try {
    for (const EnvValue& value : merged(context, true, kOverride).set) {
      if (::setenv(value.name.c_str(), value.value.c_str(), 1) != 0) {
        throw system_error("cannot set " + value.name, errno);
      }
    }
  } catch (const Error& error) {
    context.terminal().complain(error);
    return kNotStarted;
  }
  std::vector<char*> words;
  words.reserve(arguments.command.size() + 1);
  for (const std::string& word : arguments.command) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  ::execvp(program.c_str(), words.data());
  const int error_number = errno;
  context.terminal().complain(system_error("cannot run " + shown(program), error_number));
  return error_number == ENOENT || error_number == ENOTDIR ? kNotFound : kNotExecutable;
}

}  // namespace trust
