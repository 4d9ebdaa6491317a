#include "libtrust/base.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "libtrust/error.h"
#include "libtrust/publish.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using testing::mint;
using testing::Minted;
namespace fs = std::filesystem;

class BaseTest : public ::testing::Test {
 protected:
  BaseTest() {
    places_.machine_store = scratch_.path("machine");
    places_.bundles = {scratch_.path("none.pem"), scratch_.path("roots.pem")};
  }

  std::optional<Code> refusal(const std::string& setting, bool system_store = false) {
    try {
      read_base(setting, system_store, places_);
    } catch (const Error& error) {
      message_ = error.message();
      return error.code();
    }
    return std::nullopt;
  }

  Scratch scratch_;
  BasePlaces places_;
  std::string message_;
  const Minted one_ = mint({.common_name = "One", .ca = true});
  const Minted two_ = mint({.common_name = "Two", .ca = true});
};

TEST_F(BaseTest, NoneIsTheOnlyWayToAnEmptyBase) {
  const Base none = read_base("none", false, places_);
  EXPECT_EQ(none.source, "none");
  EXPECT_TRUE(none.entries.empty());
  EXPECT_EQ(refusal("system"), Code::not_found);
  scratch_.write("roots.pem", "");
  EXPECT_EQ(refusal("system"), Code::invalid);
  scratch_.write("roots.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(refusal("system"), Code::invalid);
  EXPECT_FALSE(base_is_plausible(0, 0));
  EXPECT_FALSE(base_is_plausible(144, 0));
}

TEST_F(BaseTest, ReadsTheDistributionsBundleAndSaysWhatIsNoCertificate) {
  scratch_.write(
      "roots.pem",
      one_.pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + two_.pem());
  for (const bool system_store : {false, true}) {
    const Base base = read_base("system", system_store, places_);
    EXPECT_EQ(base.source, scratch_.path("roots.pem"));
    ASSERT_EQ(base.entries.size(), 2U);
    EXPECT_EQ(base.entries[0].layer, Layer::base);
    EXPECT_EQ(base.entries[0].trust, Trust::root);
    EXPECT_EQ(base.entries[1].certificate.fingerprint(), two_.certificate.fingerprint());
    ASSERT_EQ(base.warnings.size(), 1U);
    EXPECT_THAT(base.warnings[0], HasSubstr("roots.pem, line "));
    EXPECT_EQ(base.version, base_version("system", system_store, places_));
  }
}

TEST_F(BaseTest, ABundleThatOthersMayWriteIsRefused) {
  scratch_.write("roots.pem", one_.pem());
  const std::string path = scratch_.path("roots.pem");
  EXPECT_EQ(refusal(path), std::nullopt);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  EXPECT_EQ(refusal(path), Code::store_access);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path.c_str(), 4321, 4321), 0);
    EXPECT_EQ(refusal(path), Code::store_access);
  }
  EXPECT_EQ(refusal(scratch_.path("nothing.pem")), Code::not_found);
  EXPECT_THAT(message_, HasSubstr("nothing.pem"));
}

TEST_F(BaseTest, TheVersionChangesWithTheSource) {
  scratch_.write("a.pem", one_.pem());
  scratch_.write("b.pem", one_.pem());
  const std::string path = scratch_.path("roots.pem");
  std::set<std::string> seen;
  const auto is_new = [&] { return seen.insert(base_version("system", false, places_)).second; };
  EXPECT_TRUE(is_new());
  fs::create_symlink("a.pem", path);
  EXPECT_TRUE(is_new());
  EXPECT_FALSE(is_new());
  fs::remove(path);
  fs::create_symlink("b.pem", path);
  EXPECT_TRUE(is_new());
  scratch_.write("b.pem", two_.pem() + one_.pem());
  EXPECT_TRUE(is_new());
  fs::remove(scratch_.path("b.pem"));
  EXPECT_TRUE(is_new());
}

TEST_F(BaseTest, TheMachinesStoreLiesBeneathAUsersWithAllItsDecisions) {
  scratch_.write("roots.pem", one_.pem());
  const Minted server = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = false});
  const Minted bad = mint({.common_name = "Bad", .ca = true});
  Store machine = Store::open(scratch_.path("machine.db"), system_clock_now);
  machine.set_base("test", {{one_.certificate}}, {});
  Addition addition;
  addition.items.push_back(
      {two_.certificate, Trust::root, {Pattern::parse("**.corp.test")}, "corp", false});
  addition.expires_at = system_clock_now() + 1000;
  machine.add({}, addition);
  addition = {};
  addition.items.push_back({bad.certificate, Trust::distrusted, {}, "bad", false});
  addition.items.push_back({server.certificate, Trust::leaf, {}, "dev", false});
  addition.only_this_certificate = true;
  machine.add({}, addition);
  PinRow pin;
  pin.pin = Pin::of(server.certificate);
  pin.pattern = PortPattern::parse("dev.test:443");
  machine.add_pins({}, {pin});
  PublishSettings settings;
  settings.directory = places_.machine_store;
  settings.reserve_bytes = 0;
  Publisher(settings).publish(machine, system_clock_now());

  const Base base = read_base("system", false, places_);
  EXPECT_EQ(base.source, places_.machine_store);
  ASSERT_EQ(base.entries.size(), 4U);
  ASSERT_EQ(base.pins.size(), 1U);
  EXPECT_EQ(base.pins[0].layer, Layer::machine);
  EXPECT_EQ(base.pins[0].pattern.text(), "dev.test:443");
  for (const BaseEntry& entry : base.entries) {
    const Fingerprint& fingerprint = entry.certificate.fingerprint();
    EXPECT_EQ(entry.layer,
              fingerprint == one_.certificate.fingerprint() ? Layer::base : Layer::machine);
    if (fingerprint == two_.certificate.fingerprint()) {
      ASSERT_EQ(entry.hosts.size(), 1U);
      EXPECT_EQ(entry.hosts[0].text(), "**.corp.test");
      EXPECT_EQ(entry.label, "corp");
      EXPECT_TRUE(entry.expires_at);
    }
    if (fingerprint == bad.certificate.fingerprint()) {
      EXPECT_EQ(entry.trust, Trust::distrusted);
      EXPECT_TRUE(entry.only_this_certificate);
    }
  }
  EXPECT_EQ(read_base("system", true, places_).source, scratch_.path("roots.pem"));

  // One that is there and cannot be used is not passed over.
  ASSERT_EQ(::chmod(places_.machine_store.c_str(), 0777), 0);
  EXPECT_EQ(refusal("system"), Code::store_access);
}

TEST_F(BaseTest, LosingMoreThanHalfIsNotPlausible) {
  EXPECT_TRUE(base_is_plausible(0, 1));
  EXPECT_TRUE(base_is_plausible(144, 145));
  EXPECT_TRUE(base_is_plausible(144, 72));
  EXPECT_FALSE(base_is_plausible(144, 71));
  EXPECT_FALSE(base_is_plausible(3, 1));
}

} // namespace
} // namespace trust
