#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/report_receiver.h"
#include "daemon/reported.h"
#include "libtrust/error.h"
#include "tests/daemon/serving.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kNow;

Report report_for(const std::string& host, std::uint8_t fingerprint = 1) {
  Report report;
  report.host = Host::parse(host);
  report.port = 443;
  report.fingerprint.bytes[0] = fingerprint;
  return report;
}

TEST(Reported, SaysWhoClaimsWhat) {
  Reported reported;
  const auto event = reported.count(1000, 77, report_for("dev.test"), kNow);
  ASSERT_TRUE(event);
  EXPECT_EQ((*event)["claimed_by"], "uid 1000");
  EXPECT_EQ((*event)["pid"], 77);
  EXPECT_EQ((*event)["report"], "pin_mismatch");
  EXPECT_EQ((*event)["host"], "dev.test");
  EXPECT_EQ((*event)["port"], 443);
  EXPECT_EQ((*event)["fingerprint"], report_for("dev.test").fingerprint.text());
  EXPECT_EQ((*event)["count"], 1);
}

TEST(Reported, TheSameClaimIsToldOnceAndThenWithItsCount) {
  Reported reported;
  EXPECT_TRUE(reported.count(1000, 1, report_for("dev.test"), kNow));
  for (int i = 0; i < 41; ++i) {
    EXPECT_FALSE(reported.count(1000, 1, report_for("dev.test"), kNow + 30));
  }
  const auto event = reported.count(1000, 1, report_for("dev.test"), kNow + 60);
  ASSERT_TRUE(event);
  EXPECT_EQ((*event)["count"], 42);
  EXPECT_EQ((*event)["total"], 43);
  EXPECT_EQ((*event)["first_at"], rfc3339(kNow));
  EXPECT_EQ((*event)["last_at"], rfc3339(kNow + 60));
}

TEST(Reported, AnotherUserHostOrCertificateIsAnotherClaim) {
  Reported reported;
  EXPECT_TRUE(reported.count(1000, 1, report_for("dev.test"), kNow));
  EXPECT_TRUE(reported.count(1001, 1, report_for("dev.test"), kNow));
  EXPECT_TRUE(reported.count(1000, 1, report_for("other.test"), kNow));
  EXPECT_TRUE(reported.count(1000, 1, report_for("dev.test", 2), kNow));
  EXPECT_EQ(reported.kept(), 4U);
}

TEST(Reported, OneUserTakesNeitherTheRoomNorTheVoiceOfAnother) {
  Reported reported({.kept = 20, .kept_of_uid = 5, .told_of_uid = 3, .told = 8});
  int told = 0;
  for (int i = 0; i < 500; ++i) {
    told += reported.count(666, 1, report_for("h" + std::to_string(i) + ".test"), kNow) ? 1 : 0;
  }
  EXPECT_EQ(told, 3);
  EXPECT_EQ(reported.kept(), 5U);
  EXPECT_TRUE(reported.count(1000, 1, report_for("dev.test"), kNow));
  EXPECT_EQ(reported.kept(), 6U);
}

TEST(Reported, OfTooManyTheOldestIsForgotten) {
  Reported reported({.kept = 3, .kept_of_uid = 3, .told_of_uid = 100, .told = 100});
  for (uid_t uid = 1; uid <= 3; ++uid) reported.count(uid, 1, report_for("dev.test"), kNow);
  reported.count(1, 1, report_for("dev.test"), kNow); // now the newest
  reported.count(4, 1, report_for("dev.test"), kNow); // instead of 2
  EXPECT_EQ(reported.kept(), 3U);
  EXPECT_FALSE(reported.count(1, 1, report_for("dev.test"), kNow));
  EXPECT_TRUE(reported.count(2, 1, report_for("dev.test"), kNow)) << "it was forgotten";
}

TEST(Reported, AllTogetherAreBoundedToo) {
  Reported reported({.told = 5});
  int told = 0;
  for (uid_t uid = 0; uid < 100; ++uid) {
    told += reported.count(uid, 1, report_for("dev.test"), kNow) ? 1 : 0;
  }
  EXPECT_EQ(told, 5);
  EXPECT_TRUE(reported.count(99, 1, report_for("dev.test"), kNow + 60)) << "a minute later";
}

TEST(Reported, AClockThatIsSetBackSilencesNothing) {
  Reported reported;
  EXPECT_TRUE(reported.count(1000, 1, report_for("dev.test"), kNow));
  EXPECT_TRUE(reported.count(1000, 1, report_for("dev.test"), kNow - 100'000));
}

// ---- the socket -------------------------------------------------------------

// What was told, and a way to wait for it.
class Told {
 public:
  void add(Json event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  std::vector<Json> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return events_.size() >= count; });
    return events_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Json> events_;
};

class Receiver : public ::testing::Test {
 protected:
  TemporaryDirectory directory_;
  Told told_;
  std::string path_ = directory_.path() + "/report.sock";
  ReportReceiver receiver_{path_, [] { return kNow; }, [this](Json event) { told_.add(event); }};

  void wait_until(const std::function<bool(const ReportCounts&)>& reached) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!reached(receiver_.counts())) {
      ASSERT_LT(std::chrono::steady_clock::now(), until);
      std::this_thread::yield();
    }
  }
};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Waits for room, as a sender of reports does not.
void send_text(const std::string& path, std::string_view text) {
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  ASSERT_EQ(::sendto(fd.get(), text.data(), text.size(), 0,
                     reinterpret_cast<const sockaddr*>(&address), sizeof address),
            static_cast<ssize_t>(text.size()));
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

TEST_F(Receiver, TakesAReportFromWhomTheKernelNames) {
  struct stat status {};
  ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, static_cast<mode_t>(S_IFSOCK | 0666));
  EXPECT_TRUE(send_report(report_for("dev.test"), path_));
  const auto events = told_.wait_for(1);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["uid"], ::getuid());
  EXPECT_EQ(events[0]["pid"], ::getpid());
  EXPECT_EQ(events[0]["host"], "dev.test");
}

TEST_F(Receiver, RefusesWhatIsNoReportAndGoesOn) {
  const std::string good = report_text(report_for("dev.test"));
  const std::string too_long = good + std::string(kMaxReportBytes, ' ');
  const std::vector<std::string> bad = {
      "",
      "{",
      "null",
      "[]",
      "{}",
      std::string(4096, '['),
      std::string(4096, '\0'),
      too_long,
      R"({"kind":"pin_mismatch","host":"127.1","port":443,"fingerprint":"","pin":""})"};
  for (const std::string& text : bad) send_text(path_, text);
  send_text(path_, good);
  EXPECT_EQ(told_.wait_for(1).size(), 1U);
  EXPECT_EQ(receiver_.counts().refused, bad.size());
  EXPECT_EQ(receiver_.counts().received, 1U);
}

TEST_F(Receiver, AFloodIsCountedAndToldAFewTimes) {
  const std::string text = report_text(report_for("dev.test"));
  std::atomic<bool> over{false};
  std::thread flood([&] {
    while (!over) send_text(path_, text);
  });
  wait_until([](const ReportCounts& counts) { return counts.received > 300; });
  over = true;
  flood.join();
  EXPECT_EQ(told_.wait_for(1).size(), 1U);
  EXPECT_EQ(receiver_.counts().kept, 1U);
}

TEST_F(Receiver, DescriptorsThatAreSentAlongAreNotTaken) {
  const std::size_t before = open_descriptors();
  std::string text = report_text(report_for("dev.test"));
  const sockaddr_un address = address_of(path_);
  {
    const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
    msghdr message{};
    message.msg_name = const_cast<sockaddr_un*>(&address);
    message.msg_namelen = sizeof address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(8 * sizeof(int));
    for (std::size_t i = 0; i < 8; ++i) {
      const int own = fd.get();
      std::memcpy(CMSG_DATA(item) + i * sizeof(int), &own, sizeof own);
    }
    ASSERT_GT(::sendmsg(fd.get(), &message, 0), 0);
  }
  EXPECT_EQ(told_.wait_for(1).size(), 1U);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(ReportReceiver, TakesThePlaceOfOneThatIsGoneAndOfNoOther) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/report.sock";
  const auto nothing = [](const Json&) {};
  const auto clock = [] { return kNow; };
  {
    // As a daemon that was killed leaves it.
    const Fd dead(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  {
    const ReportReceiver receiver(path, clock, nothing);
    EXPECT_TRUE(send_report(report_for("dev.test"), path));
    try {
      const ReportReceiver second(path, clock, nothing);
      ADD_FAILURE() << "two at one path";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::conflict);
    }
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(send_report(report_for("dev.test"), path));
}

TEST(ReportReceiver, WhatTellingThrowsCostsThatEventAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/report.sock";
  Told told;
  const ReportReceiver receiver(
      path, [] { return kNow; },
      [&](const Json& event) {
        told.add(event);
        if (event["host"] == "first.test") throw Error(Code::busy, "too many changes wait");
      });
  send_text(path, report_text(report_for("first.test")));
  send_text(path, report_text(report_for("second.test")));
  EXPECT_EQ(told.wait_for(2).size(), 2U);
}

} // namespace
} // namespace trust
