#include "daemon/hook_unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "../libtrust/scratch.h"
#include "daemon/named_commands.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

using How = CommandEnd::How;
using ::testing::HasSubstr;

// In the service manager's place: takes one connection at a socket and hands it to `serve`.
class Manager {
 public:
  Manager(const std::string& path, std::function<void(int connection)> serve)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd_.get(), 8) != 0) {
      throw std::runtime_error("listen");
    }
    thread_ = std::thread([this, serve = std::move(serve)] {
      const Fd connection(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (connection) serve(connection.get());
    });
  }
  ~Manager() {
    ::shutdown(fd_.get(), SHUT_RDWR); // who still waits in accept
    thread_.join();
  }

 private:
  Fd fd_;
  std::thread thread_;
};

Config config_with(const std::string& words, const std::string& more = "") {
  return Config::parse("[[hook]]\nname = \"reload\"\ncommand = [" + words + "]\n" + more, "test");
}

class HookUnitTest : public ::testing::Test {
 protected:
  // The daemon's side, with the unit's side run by another reading of the same configuration.
  CommandEnd through_the_unit(const std::string& words, const Variables& variables,
                              int stop_fd = -1) {
    const Config config = config_with(words);
    const NamedCommands in_the_unit(config, {{"PATH", "/usr/bin:/bin"}, {"WHERE", "unit"}}, "");
    const Manager manager(socket_, [&](int connection) {
      answered_ = answer_hook_request(connection, [&](const NamedCommand& wanted, int stop) {
        return in_the_unit.run(wanted.kind, wanted.name, wanted.variables, stop);
      });
    });
    const NamedCommands daemon(config, {{"WHERE", "daemon"}}, socket_);
    return daemon.run(CommandKind::hook, "reload", variables, stop_fd);
  }
  // What the daemon says of a unit that behaves so.
  std::string refusal_of(std::function<void(int connection)> serve) {
    const Manager manager(socket_, std::move(serve));
    try {
      ask_hook_unit(socket_, {CommandKind::hook, "reload", {}}, std::chrono::milliseconds(0), -1);
    } catch (const Error& error) {
      return error.message();
    }
    return "taken";
  }

  Scratch scratch_;
  std::string socket_ = scratch_.path("hook.sock");
  bool answered_ = false;
};

TEST_F(HookUnitTest, TheCommandIsTheUnitsAndTheVariablesAreTheDaemons) {
  const CommandEnd end = through_the_unit("\"/usr/bin/env\"", {{"TRUSTD_LABEL", "a \"b\"\nc"}});
  EXPECT_TRUE(end.succeeded());
  EXPECT_EQ(end.output,
            "PATH=/usr/bin:/bin\nWHERE=unit\nTRUSTD_HOOK=reload\nTRUSTD_LABEL=a \"b\"\nc\n");
  EXPECT_TRUE(answered_);
}

TEST_F(HookUnitTest, AFailureComesBackWithItsOutput) {
  const CommandEnd end =
      through_the_unit("\"/bin/sh\", \"-c\", \"printf 'no \\\\377'; exit 5\"", {});
  EXPECT_EQ(end.how, How::exited);
  EXPECT_EQ(end.number, 5);
  EXPECT_THAT(end.output, HasSubstr("no "));
}

TEST_F(HookUnitTest, AProgramThatIsNotThereComesBack) {
  const CommandEnd end = through_the_unit("\"/nowhere/program\"", {});
  EXPECT_EQ(end.how, How::not_started);
  EXPECT_EQ(end.number, ENOENT);
}

TEST_F(HookUnitTest, StoppingTheDaemonEndsTheCommandInTheUnit) {
  std::array<int, 2> ends{-1, -1};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const std::string begun = scratch_.path("begun");
  std::thread stop([&] {
    while (::access(begun.c_str(), F_OK) != 0) std::this_thread::yield();
    writing.reset();
  });
  const auto before = std::chrono::steady_clock::now();
  const CommandEnd end = through_the_unit(
      "\"/bin/sh\", \"-c\", \"touch " + begun + "; exec sleep 1000\"", {}, reading.get());
  stop.join();
  EXPECT_EQ(end.how, How::stopped);
  // through_the_unit returned, so the unit's side has ended too.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(25));
}

TEST_F(HookUnitTest, AnErrorOfTheUnitIsTheDaemonsError) {
  EXPECT_EQ(refusal_of([](int connection) {
              answer_hook_request(connection, [](const NamedCommand&, int) -> CommandEnd {
                throw Error(Code::not_found, "trustd.toml has no hook named \"reload\"");
              });
            }),
            "trustd.toml has no hook named \"reload\"");
}

TEST_F(HookUnitTest, AUnitThatEndsWithoutAnAnswerIsSaid) {
  EXPECT_THAT(refusal_of([](int) {}), HasSubstr("ended without an answer"));
}

TEST_F(HookUnitTest, AnAnswerThatCannotBeReadIsSaid) {
  for (const std::string answer :
       {"nonsense\n", "{}\n", "[]\n", "{\"how\":7}\n", "{\"how\":\"exited\"}\n"}) {
    ::unlink(socket_.c_str());
    EXPECT_THAT(refusal_of([&](int connection) {
                  std::array<char, 4096> request;
                  EXPECT_GT(::recv(connection, request.data(), request.size(), 0), 0);
                  EXPECT_GT(::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL), 0);
                }),
                HasSubstr("cannot be read"))
        << answer;
  }
}

TEST_F(HookUnitTest, NobodyListeningIsSaidWithAHint) {
  try {
    ask_hook_unit(socket_, {CommandKind::hook, "reload", {}}, std::chrono::milliseconds(0), -1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("cannot be reached"));
    EXPECT_EQ(error.hint(), "journalctl -u 'trustd-hook@*'");
  }
}

TEST_F(HookUnitTest, ARequestThatCannotBeReadRunsNothing) {
  for (const std::string request :
       {"nonsense\n", "{}\n", "{\"kind\":\"shell\",\"name\":\"x\",\"variables\":{}}\n",
        "{\"kind\":\"hook\",\"name\":\"x\",\"variables\":{\"A\":1}}\n", "\n"}) {
    std::array<int, 2> ends{-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    ASSERT_GT(::send(ours.get(), request.data(), request.size(), 0), 0);
    bool ran = false;
    EXPECT_TRUE(answer_hook_request(theirs.get(), [&](const NamedCommand&, int) {
      ran = true;
      return CommandEnd{};
    }));
    EXPECT_FALSE(ran) << request;
    std::string answer(4096, '\0');
    answer.resize(static_cast<std::size_t>(
        std::max<ssize_t>(0, ::recv(ours.get(), answer.data(), answer.size(), 0))));
    EXPECT_THAT(answer, HasSubstr("\"code\":\"invalid\"")) << request;
  }
}

TEST_F(HookUnitTest, WhoHangsUpBeforeALineIsNotAnswered) {
  std::array<int, 2> ends{-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  const Fd theirs(ends[1]);
  {
    const Fd ours(ends[0]);
    ASSERT_GT(::send(ours.get(), "{\"kind\"", 7, 0), 0);
  }
  EXPECT_FALSE(answer_hook_request(theirs.get(), [](const NamedCommand&, int) -> CommandEnd {
    ADD_FAILURE() << "ran";
    return {};
  }));
}

TEST(NamedCommandsTest, WithoutTheSocketTheDaemonRunsItItself) {
  const NamedCommands commands(config_with("\"/usr/bin/env\""), {{"LANG", "C.UTF-8"}},
                               "/nowhere/hook.sock");
  const CommandEnd end = commands.run(CommandKind::hook, "reload", {{"TRUSTD_LABEL", "x"}});
  EXPECT_EQ(end.output, "LANG=C.UTF-8\nTRUSTD_HOOK=reload\nTRUSTD_LABEL=x\n");
}

TEST(NamedCommandsTest, OnlyWhatTheConfigurationNamesIsRun) {
  const NamedCommands commands(
      config_with("\"/usr/bin/env\"",
                  "[[sink]]\nname = \"page\"\ntype = \"exec\"\ncommand = [\"/usr/bin/env\"]\n"),
      {}, "");
  EXPECT_TRUE(commands.has(CommandKind::hook, "reload"));
  EXPECT_TRUE(commands.has(CommandKind::sink, "page"));
  EXPECT_FALSE(commands.has(CommandKind::sink, "reload"));
  EXPECT_FALSE(commands.has(CommandKind::hook, "page"));
  EXPECT_EQ(commands.run(CommandKind::sink, "page", {}).output, "TRUSTD_SINK=page\n");
  EXPECT_THROW(commands.run(CommandKind::hook, "page", {}), Error);
  EXPECT_THROW(commands.run(CommandKind::hook, "/usr/bin/env", {}), Error);
  EXPECT_THROW(commands.run(CommandKind::hook, "", {}), Error);
}

TEST(NamedCommandsTest, NoVariableButTrustdsIsPassedOn) {
  const NamedCommands commands(config_with("\"/usr/bin/env\""), {}, "");
  for (const char* name : {"LD_PRELOAD", "PATH", "TRUST", ""}) {
    EXPECT_THROW(commands.run(CommandKind::hook, "reload", {{name, "x"}}), Error) << name;
  }
}

TEST(NamedCommandsTest, TheLimitIsTheConfigurations) {
  const NamedCommands commands(config_with("\"/bin/sleep\", \"1000\"", "time_limit = \"1s\"\n"), {},
                               "");
  const CommandEnd end = commands.run(CommandKind::hook, "reload", {});
  EXPECT_EQ(end.how, How::out_of_time);
  EXPECT_EQ(commands.sentence_of(CommandKind::hook, "reload", end),
            "the hook reload: /bin/sleep did not end within 1 s and was killed");
}

} // namespace
} // namespace trust
