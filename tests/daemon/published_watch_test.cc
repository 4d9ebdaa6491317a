#include "daemon/published_watch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "daemon/alerts.h"
#include "tests/daemon/rest.h"
#include "tests/daemon/serving.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::mint;
using testing::Rest;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

class PublishedWatchTest : public ::testing::Test {
 protected:
  PublishedWatchTest() {
    settings_.settle = 1ms;
    settings_.scan_every = 20ms;
    settings_.whole_for = 100ms;
    add("one");
  }
  void add(const std::string& label) {
    const auto leaf = mint({.common_name = label + ".test", .sans = {"DNS:" + label + ".test"}});
    rest_.post("/v1/certificates", {{"pem", leaf.pem()}, {"trust", "leaf"}, {"label", label}}, 201);
    last_ = leaf.certificate.fingerprint().text();
  }
  void remove_last() { rest_.json({.method = "DELETE", .path = "/v1/certificates/" + last_}); }
  std::string file(const std::string& name) const {
    return rest_.layout().store + "/current/" + name;
  }
  void damage(const std::string& name) {
    ::chmod(file(name).c_str(), 0644);
    std::ofstream(file(name), std::ios::app) << "x";
  }
  std::optional<Alert> open_alert() {
    return rest_.readers().with([](Store& store) { return store.open_alert("emitted"); });
  }
  std::size_t told(Notice::What what) {
    return rest_.readers().with([&](Store& store) {
      std::size_t count = 0;
      for (const Notice& notice : store.notices(0, 1000)) {
        count += notice.what == what && notice.alert.kind == AlertKind::emitted;
      }
      return count;
    });
  }

  std::string last_; // fingerprint of what was added last
  Rest rest_;
  PublishedWatch::Settings settings_;
};

TEST_F(PublishedWatchTest, FaultIsToldOnceMendedAndResolvedWhenAllStayedWholeForAWhile) {
  const auto size = fs::file_size(file("bundle.pem"));
  PublishedWatch watch(settings_, rest_.layout().store, rest_.changes());
  watch.start();
  damage("bundle.pem");
  ASSERT_TRUE(comes_true([&] { return told(Notice::What::raised) == 1; }));
  ASSERT_TRUE(comes_true([&] { return fs::file_size(file("bundle.pem")) == size; }));
  ASSERT_TRUE(comes_true([&] { return told(Notice::What::resolved) == 1; }));
  EXPECT_FALSE(open_alert());
  EXPECT_EQ(1U, told(Notice::What::raised));
}

TEST_F(PublishedWatchTest, AlertFromBeforeTheStartIsResolvedToo) {
  raise_alert(rest_.changes(), "emitted", Alert{});
  ASSERT_TRUE(comes_true([&] { return open_alert().has_value(); }));
  PublishedWatch watch(settings_, rest_.layout().store, rest_.changes());
  watch.start();
  EXPECT_TRUE(comes_true([&] { return !open_alert(); }));
}

TEST_F(PublishedWatchTest, WhatIsPublishedMeanwhileIsNoFault) {
  settings_.scan_every = 1ms;
  PublishedWatch watch(settings_, rest_.layout().store, rest_.changes());
  watch.start();
  for (int i = 0; i < 60; ++i) {
    add("n" + std::to_string(i));
    if (i % 4 == 0) remove_last();
  }
  watch.stop();
  EXPECT_EQ(0U, told(Notice::What::raised));
}

} // namespace
} // namespace trust
