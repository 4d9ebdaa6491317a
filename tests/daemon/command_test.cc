#include "daemon/command.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "../libtrust/scratch.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

using How = CommandEnd::How;
using std::chrono::milliseconds;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// The shell is the program that is run here; what is under test puts none between.
Command script(const std::string& text) {
  Command command;
  command.words = {"/bin/sh", "-c", text};
  command.variables = {{"PATH", "/usr/bin:/bin"}};
  return command;
}

bool is_gone(pid_t pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

pid_t number_in(const std::string& path) {
  std::ifstream file(path);
  pid_t pid = 0;
  file >> pid;
  return pid;
}

// A pipe; what has been written to makes the other end readable.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    reading = Fd(ends[0]);
    writing = Fd(ends[1]);
  }
  void tell() const { ASSERT_EQ(::write(writing.get(), "x", 1), 1); }
  Fd reading, writing;
};

TEST(CommandTest, StatusAndOutputOfBothStreamsComeBack) {
  const CommandEnd end = run_command(script("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(end.how, How::exited);
  EXPECT_EQ(end.number, 3);
  EXPECT_EQ(end.output, "out\nerr\n");
  EXPECT_FALSE(end.succeeded());
  EXPECT_EQ(end.sentence(script("")), "/bin/sh ended with status 3: err");
}

TEST(CommandTest, WordsAreNotReadByAShell) {
  Command command;
  command.words = {"/usr/bin/printf", "%s|", "$HOME", "a b", "$(id)", "; exit 9", "*"};
  const CommandEnd end = run_command(command);
  EXPECT_TRUE(end.succeeded());
  EXPECT_EQ(end.output, "$HOME|a b|$(id)|; exit 9|*|");
}

TEST(CommandTest, TheEnvironmentIsWhatIsGivenAndNothingElse) {
  ::setenv("TRUST_TEST_SECRET", "no", 1);
  Command command;
  command.words = {"/usr/bin/env"};
  command.variables = {{"ONE", "1 = 1"}, {"TWO", ""}};
  EXPECT_EQ(run_command(command).output, "ONE=1 = 1\nTWO=\n");
  ::unsetenv("TRUST_TEST_SECRET");
}

TEST(CommandTest, NoDescriptorOfTheDaemonReachesIt) {
  const Fd leaky(::open("/dev/null", O_RDONLY)); // not close-on-exec
  const Fd high(::fcntl(leaky.get(), F_DUPFD, 700));
  ASSERT_TRUE(high);
  const CommandEnd end = run_command(script("ls /proc/self/fd"));
  EXPECT_EQ(end.output, "0\n1\n2\n3\n"); // 3 is the directory that ls reads
}

TEST(CommandTest, StandardInputIsEmpty) {
  const CommandEnd end = run_command(script("cat; readlink /proc/self/fd/0"));
  EXPECT_EQ(end.output, "/dev/null\n");
}

TEST(CommandTest, NoSignalIsBlockedOrIgnored) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  const CommandEnd end = run_command(script("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  // 32 and 33 are the C library's own, which it ignores while it starts a program.
  EXPECT_THAT(end.output, AnyOf("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
                                "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n"));
}

TEST(CommandTest, ItHasASessionOfItsOwnAndStandsAtTheRoot) {
  const CommandEnd end =
      run_command(script("pwd; test \"$(ps -o sid= -p $$)\" -eq $$ && echo own"));
  EXPECT_EQ(end.output, "/\nown\n");
}

TEST(CommandTest, OutOfTimeTheWholeGroupIsKilled) {
  const Scratch scratch;
  Command command =
      script("sleep 1000 & echo $! > " + scratch.path("child") + "; echo begun; wait");
  command.time_limit = milliseconds(1500);
  const CommandEnd end = run_command(command);
  EXPECT_EQ(end.how, How::out_of_time);
  EXPECT_EQ(end.sentence(command), "/bin/sh did not end within 2 s and was killed: begun");
  const pid_t child = number_in(scratch.path("child"));
  ASSERT_GT(child, 0);
  // Whoever adopted it reaps it: that it was killed is certain when it is gone or a zombie.
  for (;;) {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    if (is_gone(child) || text.empty() || text.find(") Z ") != std::string::npos) break;
    std::this_thread::yield();
  }
}

TEST(CommandTest, WhatIgnoresSignalsIsKilledToo) {
  Command command = script("trap '' TERM INT HUP; while :; do sleep 1; done");
  command.time_limit = milliseconds(300);
  EXPECT_EQ(run_command(command).how, How::out_of_time);
}

TEST(CommandTest, WhatItLeavesBehindIsNotWaitedForButKilled) {
  const Scratch scratch;
  Command command = script("sleep 1000 & echo $! > " + scratch.path("child") + "; echo done");
  const auto before = std::chrono::steady_clock::now();
  const CommandEnd end = run_command(command);
  EXPECT_TRUE(end.succeeded());
  EXPECT_EQ(end.output, "done\n");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
}

TEST(CommandTest, WhoKeepsThePipeInASessionOfItsOwnHoldsNobodyUp) {
  const Scratch scratch;
  const std::string file = scratch.path("escaped");
  const CommandEnd end = run_command(script("setsid sh -c 'echo $$ > " + file +
                                            "; exec sleep 1000' & while test ! -s " + file +
                                            "; do :; done; echo done"));
  EXPECT_TRUE(end.succeeded());
  EXPECT_EQ(end.output, "done\n");
  const pid_t escaped = number_in(file);
  ASSERT_GT(escaped, 1);
  EXPECT_EQ(::kill(escaped, SIGKILL), 0);
}

TEST(CommandTest, StopEndsItAtOnce) {
  const Pipe stop;
  Command command = script("sleep 1000");
  command.stop_fd = stop.reading.get();
  std::thread soon([&stop] { stop.tell(); });
  const CommandEnd end = run_command(command);
  soon.join();
  EXPECT_EQ(end.how, How::stopped);
}

TEST(CommandTest, TheLastOfEndlessOutputIsKept) {
  const CommandEnd end = run_command(script("yes | head -c 3000000; printf 'the reason'"));
  EXPECT_TRUE(end.succeeded());
  EXPECT_EQ(end.output.size(), kKeptOutputBytes);
  EXPECT_TRUE(end.output.ends_with("y\nthe reason"));
}

TEST(CommandTest, OutputIsMadeFitToBeShown) {
  Command command = script("printf 'one\\nbad \\033[31m\\377\\n\\n'; exit 1");
  EXPECT_EQ(run_command(command).sentence(command),
            "/bin/sh ended with status 1: bad \\x1b[31m\\xff");
}

TEST(CommandTest, AProgramThatIsNotThereIsSaid) {
  Command command;
  command.words = {"/nowhere/program"};
  const CommandEnd end = run_command(command);
  EXPECT_EQ(end.how, How::not_started);
  EXPECT_EQ(end.sentence(command),
            "/nowhere/program could not be started: No such file or directory");
}

TEST(CommandTest, ASignalIsSaid) {
  Command command = script("kill -9 $$");
  EXPECT_EQ(run_command(command).sentence(command), "/bin/sh was ended by signal 9");
}

TEST(CommandTest, WhatCannotBePassedOnIsRefused) {
  const auto refusal = [](const Command& command) -> std::string {
    try {
      run_command(command);
    } catch (const Error& error) {
      return error.message();
    }
    return "taken";
  };
  Command relative;
  relative.words = {"true"};
  EXPECT_THAT(refusal(relative), HasSubstr("absolute path"));
  Command nothing;
  EXPECT_THAT(refusal(nothing), HasSubstr("absolute path"));
  Command zero = script("true");
  zero.variables.emplace_back("NAME", std::string("a\0b", 3));
  EXPECT_THAT(refusal(zero), HasSubstr("NUL"));
  Command equals = script("true");
  equals.variables.emplace_back("A=B", "c");
  EXPECT_THAT(refusal(equals), HasSubstr("no name of a variable"));
  Command endless = script("true");
  endless.variables.emplace_back("NAME", std::string(1 << 20, 'x'));
  EXPECT_THAT(refusal(endless), HasSubstr("too long"));
}

TEST(CommandTest, ManyAtOnceDoNotTouchEachOther) {
  std::vector<std::thread> threads;
  std::array<std::string, 8> outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    threads.emplace_back([i, &outputs] {
      for (int n = 0; n < 10; ++n) {
        outputs[i] += run_command(script("echo " + std::to_string(i))).output;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::string expected;
    for (int n = 0; n < 10; ++n) expected += std::to_string(i) + "\n";
    EXPECT_EQ(outputs[i], expected);
  }
}

TEST(CommandTest, NoProcessIsLeftToWaitFor) {
  run_command(script("true"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(CommandTest, OrdinaryVariablesAreFew) {
  const Variables variables = ordinary_variables([](std::string_view name) {
    return name == "XDG_RUNTIME_DIR" ? std::optional<std::string>("/run/user/7") : std::nullopt;
  });
  std::string names;
  for (const auto& [name, value] : variables) names += name + " ";
  EXPECT_EQ(names, "PATH LANG HOME USER LOGNAME SHELL XDG_RUNTIME_DIR ");
}

} // namespace
} // namespace trust
