#include "libtrust/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "libtrust/error.h"
#include "libtrust/sql.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kNow;
using testing::mint;
using testing::Minted;

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    std::string pattern = ::testing::TempDir() + "/store-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/trustd.db";
    store_.emplace(Store::open(path_, clock()));
  }
  ~StoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  Clock clock() {
    return [this] { return now_; };
  }

  static Minted minted(const std::string& name, bool ca = false) {
    return mint({.common_name = name,
                 .sans = {"DNS:" + name},
                 .ca = ca,
                 .not_before = kNow - 1000,
                 .not_after = kNow + 1'000'000,
                 .key = testing::Key::p256()});
  }

  static Addition addition(const Certificate& certificate, Trust trust, const std::string& label,
                           std::vector<Pattern> hosts = {}) {
    Addition addition;
    addition.items.push_back({certificate, trust, std::move(hosts), label, false});
    return addition;
  }

  Store::Asked asked(std::string reason = "") { return {{1000, 42, "/bin/test"}, reason, {}}; }

  Code code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      message_ = error.message();
      hint_ = error.hint();
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return Code::internal;
  }

  std::vector<Entry> all() { return store_->entries({}, 1000, 0); }

  UnixTime now_ = kNow;
  std::string directory_, path_, message_, hint_;
  std::optional<Store> store_;
};

TEST_F(StoreTest, DatabaseIsReadableByItsOwnerAlone) {
  struct stat status {};
  ASSERT_EQ(0, ::stat(path_.c_str(), &status));
  EXPECT_EQ(0600U, status.st_mode & 0777U);
}

TEST_F(StoreTest, NewStoreIsAtGenerationZeroWithAnIdOfItsOwn) {
  EXPECT_EQ(0U, store_->generation());
  EXPECT_EQ(32U, store_->store_id().size());
  const Store other = Store::open(directory_ + "/other.db", clock());
  EXPECT_NE(store_->store_id(), other.store_id());
  EXPECT_EQ(std::nullopt, store_->verify_audit());
}

TEST_F(StoreTest, EveryChangeIsOneGenerationOneAuditRecordAndOneEvent) {
  const auto leaf = minted("a.test"), root = minted("ca.test", true);
  EXPECT_EQ(
      1U,
      store_->add(asked("why"), addition(leaf.certificate, Trust::leaf, "a")).change.generation);
  EXPECT_EQ(2U,
            store_->add(asked(), addition(root.certificate, Trust::root, "ca")).change.generation);
  EXPECT_EQ(3U, store_->remove(asked(), leaf.certificate.fingerprint()).generation);
  const auto audit = store_->audit(10, 0);
  ASSERT_EQ(3U, audit.size());
  EXPECT_EQ("remove", audit[0].action);
  EXPECT_EQ("why", audit[2].reason);
  EXPECT_EQ(1000U, audit[2].actor.uid);
  EXPECT_EQ(0U, audit[2].before);
  EXPECT_EQ(1U, audit[2].after);
  EXPECT_EQ(3U, store_->events(0, 10).size());
  EXPECT_EQ(1U, store_->events(2, 10).size());
  EXPECT_EQ(3U, store_->generations(10, 0).size());
  EXPECT_EQ(std::nullopt, store_->verify_audit());
}

TEST_F(StoreTest, AddingTheSameAgainChangesNothing) {
  const auto leaf = minted("a.test");
  store_->add(asked(), addition(leaf.certificate, Trust::leaf, "a"));
  const Added again = store_->add(asked(), addition(leaf.certificate, Trust::leaf, "other"));
  EXPECT_FALSE(again.change.changed);
  EXPECT_EQ(1U, again.change.generation);
  ASSERT_EQ(1U, again.items.size());
  EXPECT_FALSE(again.items[0].created);
  EXPECT_EQ("a", again.items[0].entry.label);
}

TEST_F(StoreTest, AnotherScopeForTheSameCertificateIsAConflictUnlessReplaced) {
  const auto root = minted("ca.test", true);
  store_->add(asked(), addition(root.certificate, Trust::root, "ca"));
  Addition scoped = addition(root.certificate, Trust::root, "ca", {Pattern::parse("**.corp.test")});
  EXPECT_EQ(Code::conflict, code_of([&] { store_->add(asked(), scoped); }));
  EXPECT_EQ(1U, store_->generation());
  scoped.replace = true;
  store_->add(asked(), scoped);
  ASSERT_EQ(1U, all().size());
  EXPECT_EQ("**.corp.test", all()[0].hosts.at(0).text());
  EXPECT_EQ("ca", all()[0].label);
}

TEST_F(StoreTest, LabelThatIsTakenGetsANumberAndAFixedOneIsAConflict) {
  const auto first = minted("a.test"), second = minted("a.test"), third = minted("a.test");
  store_->add(asked(), addition(first.certificate, Trust::leaf, "a"));
  EXPECT_EQ(
      "a-2",
      store_->add(asked(), addition(second.certificate, Trust::leaf, "a")).items.at(0).entry.label);
  Addition fixed = addition(third.certificate, Trust::leaf, "a");
  fixed.items[0].label_is_fixed = true;
  EXPECT_EQ(Code::conflict, code_of([&] { store_->add(asked(), fixed); }));
  fixed.replace = true;
  EXPECT_EQ("a", store_->add(asked(), fixed).items.at(0).entry.label);
  EXPECT_EQ(std::nullopt, store_->entry(first.certificate.fingerprint()));
}

TEST_F(StoreTest, OneBadItemOfManyAddsNone) {
  const auto good = minted("good.test"), bad = minted("bad.test");
  store_->add(asked(), addition(bad.certificate, Trust::distrusted, "bad"));
  Addition both = addition(good.certificate, Trust::leaf, "good");
  both.items.push_back({bad.certificate, Trust::leaf, {}, "bad", false});
  EXPECT_EQ(Code::conflict, code_of([&] { store_->add(asked(), both); }));
  EXPECT_EQ(1U, store_->generation());
  EXPECT_EQ(std::nullopt, store_->entry(good.certificate.fingerprint()));
}

TEST_F(StoreTest, DistrustReplacesAnEntryAndForbidsEverythingWithItsKey) {
  const auto root = minted("ca.test", true);
  const auto reissued =
      mint({.common_name = "ca.test", .ca = true, .not_after = kNow + 5'000'000, .key = root.key});
  store_->add(asked(), addition(root.certificate, Trust::root, "ca"));
  store_->add(asked(), addition(root.certificate, Trust::distrusted, "x"));
  ASSERT_EQ(1U, all().size());
  EXPECT_EQ(Trust::distrusted, all()[0].trust);
  EXPECT_EQ("ca", all()[0].label);
  EXPECT_EQ(Code::conflict, code_of([&] {
              store_->add(asked(), addition(reissued.certificate, Trust::root, "new"));
            }));
  EXPECT_NE(std::string::npos, hint_.find("trustctl rm"));
}

TEST_F(StoreTest, DistrustOfOnlyThisCertificateLeavesItsKey) {
  const auto root = minted("ca.test", true);
  const auto reissued = mint({.common_name = "ca.test", .ca = true, .key = root.key});
  Addition only = addition(root.certificate, Trust::distrusted, "ca");
  only.only_this_certificate = true;
  store_->add(asked(), only);
  store_->add(asked(), addition(reissued.certificate, Trust::root, "new"));
  EXPECT_EQ(2U, all().size());
}

TEST_F(StoreTest, RemovingARootOfTheBaseIsRefusedWithTheWayOut) {
  const auto root = minted("base.test", true);
  store_->set_base("/bundle.pem", {{root.certificate}}, {});
  EXPECT_EQ(Code::conflict,
            code_of([&] { store_->remove(asked(), root.certificate.fingerprint()); }));
  EXPECT_EQ("trustctl distrust " + root.certificate.fingerprint().text(), hint_);
}

TEST_F(StoreTest, RemovingWhatIsNotThereIsNotFound) {
  EXPECT_EQ(Code::not_found,
            code_of([&] { store_->remove(asked(), minted("a.test").certificate.fingerprint()); }));
}

TEST_F(StoreTest, ChangeIsRefusedWhenSomethingChangedSince) {
  const auto leaf = minted("a.test");
  Store::Asked expecting = asked();
  expecting.expected = 7;
  EXPECT_EQ(Code::precondition,
            code_of([&] { store_->add(expecting, addition(leaf.certificate, Trust::leaf, "a")); }));
  expecting.expected = 0;
  store_->add(expecting, addition(leaf.certificate, Trust::leaf, "a"));
  EXPECT_EQ(1U, store_->generation());
}

TEST_F(StoreTest, FindsByFingerprintThenLabelThenUniquePrefix) {
  const auto a = minted("a.test"), b = minted("b.test");
  store_->add(asked(), addition(a.certificate, Trust::leaf, "a"));
  store_->add(asked(), addition(b.certificate, Trust::leaf, "b"));
  const std::string fingerprint = testing::fingerprint_of(a);
  EXPECT_EQ("a", store_->find(fingerprint, 6).label);
  EXPECT_EQ("a", store_->find("a", 6).label);
  EXPECT_EQ("a", store_->find(fingerprint.substr(0, 7), 6).label);
  EXPECT_EQ("a", store_->find(fingerprint.substr(0, 16), 16).label);
  EXPECT_EQ(Code::not_found, code_of([&] { store_->find(fingerprint.substr(0, 7), 16); }));
  EXPECT_EQ(Code::not_found, code_of([&] { store_->find("nobody", 6); }));
  EXPECT_EQ(Code::not_found, code_of([&] { store_->find(std::string(64, '0'), 6); }));
  EXPECT_EQ(Code::not_found, code_of([&] { store_->find("", 0); }));
}

TEST_F(StoreTest, PrefixOfTwoNamesBoth) {
  // Sixteen certificates more than there are digits: two share the first one.
  std::vector<Minted> many;
  for (int i = 0; i < 17; ++i) {
    many.push_back(minted("n" + std::to_string(i) + ".test"));
    store_->add(asked(), addition(many.back().certificate, Trust::leaf, "n"));
  }
  std::map<char, int> first;
  for (const Minted& each : many) ++first[testing::fingerprint_of(each)[0]];
  for (const auto& [digit, count] : first) {
    if (count < 2) continue;
    EXPECT_EQ(Code::conflict, code_of([&] { store_->find(std::string(1, digit), 1); }));
    EXPECT_NE(std::string::npos, message_.find("(n"));
    return;
  }
  FAIL();
}

TEST_F(StoreTest, FiltersAndPages) {
  for (int i = 0; i < 5; ++i)
    store_->add(asked(), addition(minted("h" + std::to_string(i) + ".test").certificate,
                                  Trust::leaf, "h" + std::to_string(i)));
  store_->add(asked(), addition(minted("ca.test", true).certificate, Trust::root, "ca",
                                {Pattern::parse("**.corp.test")}));
  EntryFilter filter;
  filter.text = "h3";
  EXPECT_EQ(1U, store_->entries(filter, 10, 0).size());
  filter = {};
  filter.text = "%";
  EXPECT_EQ(0U, store_->entries(filter, 10, 0).size());
  filter = {};
  filter.trust = Trust::root;
  EXPECT_EQ("ca", store_->entries(filter, 10, 0).at(0).label);
  filter = {};
  filter.host = Host::parse("x.corp.test");
  EXPECT_EQ("ca", store_->entries(filter, 10, 0).at(0).label);
  filter = {};
  filter.expires_before = kNow + 2'000'000;
  EXPECT_EQ(6U, store_->entries(filter, 10, 0).size());
  filter.expires_before = kNow;
  EXPECT_EQ(0U, store_->entries(filter, 10, 0).size());
  const auto page = store_->entries({}, 4, 0);
  ASSERT_EQ(4U, page.size());
  EXPECT_EQ(2U, store_->entries({}, 4, page.back().id).size());
}

TEST_F(StoreTest, EntryEndsWithAGenerationOfItsOwn) {
  Addition until = addition(minted("a.test").certificate, Trust::leaf, "a");
  until.expires_at = kNow + 100;
  store_->add(asked(), until);
  EXPECT_EQ(kNow + 100, store_->next_end());
  EXPECT_FALSE(store_->end_due(kNow + 99).changed);
  now_ = kNow + 100;
  EXPECT_EQ(2U, store_->end_due(now_).generation);
  EXPECT_TRUE(all().empty());
  EXPECT_EQ(std::nullopt, store_->next_end());
  EXPECT_EQ("end", store_->audit(1, 0).at(0).action);
  EXPECT_FALSE(store_->end_due(now_).changed);
}

TEST_F(StoreTest, EndInThePastIsRefused) {
  Addition until = addition(minted("a.test").certificate, Trust::leaf, "a");
  until.expires_at = kNow;
  EXPECT_EQ(Code::invalid, code_of([&] { store_->add(asked(), until); }));
}

TEST_F(StoreTest, PatchIsANewRowAndTheOldStateStaysReadable) {
  const auto leaf = minted("a.test");
  store_->add(asked(), addition(leaf.certificate, Trust::leaf, "a"));
  EntryPatch patch;
  patch.label = "b";
  store_->patch(asked(), leaf.certificate.fingerprint(), patch);
  EXPECT_EQ("b", all().at(0).label);
  const Difference difference = store_->difference(1, 2);
  EXPECT_EQ("b", difference.added.at(0).label);
  EXPECT_EQ("a", difference.removed.at(0).label);
  EXPECT_FALSE(store_->patch(asked(), leaf.certificate.fingerprint(), patch).changed);
}

class PinTest : public StoreTest {
 protected:
  PinRow pin(const std::string& pattern, int which, PinRow::Mode mode = PinRow::Mode::enforce) {
    PinRow row;
    row.pattern = PortPattern::parse(pattern);
    row.pin.spki_hash.fill(static_cast<std::uint8_t>(which));
    row.mode = mode;
    return row;
  }
  std::vector<int> which(const std::string& host, Port port) {
    std::vector<int> found;
    for (const PinRow& row : store_->pins_for(Host::parse(host), port))
      found.push_back(row.pin.spki_hash[0]);
    return found;
  }
};

TEST_F(PinTest, TheMostSpecificPatternCountsAndSetsAreNotMerged) {
  store_->add_pins(asked(), {pin("**.test", 1), pin("*.dev.test", 2), pin("api.dev.test", 3),
                             pin("api.dev.test:8443", 4)});
  EXPECT_EQ(std::vector<int>{4}, which("api.dev.test", 8443));
  EXPECT_EQ(std::vector<int>{3}, which("api.dev.test", 443));
  EXPECT_EQ(std::vector<int>{2}, which("b.dev.test", 443));
  EXPECT_EQ(std::vector<int>{1}, which("x.b.dev.test", 443));
  EXPECT_EQ(std::vector<int>{}, which("other.example", 443));
}

TEST_F(PinTest, ReportOnlyPinsStandBesideTheOnesThatCount) {
  store_->add_pins(asked(), {pin("**.test", 1), pin("api.test", 2, PinRow::Mode::report)});
  EXPECT_EQ((std::vector<int>{2, 1}), which("api.test", 443));
}

TEST_F(PinTest, NetworksHoldForAddresses) {
  store_->add_pins(asked(), {pin("10.0.0.0/8", 1), pin("10.1.0.0/16", 2)});
  EXPECT_EQ(std::vector<int>{2}, which("10.1.2.3", 443));
  EXPECT_EQ(std::vector<int>{1}, which("10.2.2.3", 443));
  EXPECT_EQ(std::vector<int>{}, which("11.1.2.3", 443));
}

TEST_F(PinTest, ExpiredPinIsNotInForceButStays) {
  PinRow row = pin("api.test", 1);
  row.expires_at = kNow + 10;
  store_->add_pins(asked(), {row});
  EXPECT_EQ(kNow + 10, store_->next_end());
  now_ = kNow + 10;
  EXPECT_EQ(std::vector<int>{}, which("api.test", 443));
  EXPECT_TRUE(store_->end_due(now_).changed);
  EXPECT_FALSE(store_->end_due(now_).changed);
  EXPECT_EQ(1U, store_->pins(10, 0).size());
}

TEST_F(PinTest, SamePinAgainChangesNothingAndRemovedOnesAreGone) {
  const auto added = store_->add_pins(asked(), {pin("api.test", 1)});
  EXPECT_FALSE(store_->add_pins(asked(), {pin("api.test", 1)}).change.changed);
  EXPECT_TRUE(store_->remove_pins(asked(), {added.rows.at(0).id}).changed);
  EXPECT_EQ(std::vector<int>{}, which("api.test", 443));
  EXPECT_EQ(Code::not_found, code_of([&] { store_->remove_pins(asked(), {added.rows.at(0).id}); }));
}

TEST_F(PinTest, RollbackUnpinsOnlyWhenThatIsAccepted) {
  store_->add(asked(), addition(minted("a.test").certificate, Trust::leaf, "a"));
  const auto added = store_->add_pins(asked(), {pin("api.test", 1)});
  const std::string id = "pin:" + std::to_string(added.rows.at(0).id);
  EXPECT_EQ(std::vector<std::string>{id}, store_->plan_rollback(1).widens);
  EXPECT_EQ(Code::not_confirmed, code_of([&] { store_->rollback(asked(), 1, {}); }));
  EXPECT_EQ(3U, store_->rollback(asked(), 1, {id}).generation);
  EXPECT_EQ(std::vector<int>{}, which("api.test", 443));
}

TEST_F(StoreTest, RollbackRestoresWhatWasRemovedOnceAccepted) {
  const auto leaf = minted("a.test");
  store_->add(asked(), addition(leaf.certificate, Trust::leaf, "a"));
  store_->remove(asked(), leaf.certificate.fingerprint());
  EXPECT_EQ(Code::not_confirmed, code_of([&] { store_->rollback(asked(), 1, {}); }));
  store_->rollback(asked(), 1, {testing::fingerprint_of(leaf)});
  ASSERT_EQ(1U, all().size());
  EXPECT_EQ("a", all()[0].label);
  EXPECT_EQ(3U, store_->generation());
  EXPECT_EQ(std::nullopt, store_->verify_audit());
}

TEST_F(StoreTest, RollbackOfAnAdditionNeedsNoYes) {
  store_->add(asked(), addition(minted("a.test").certificate, Trust::leaf, "a"));
  store_->add(asked(), addition(minted("b.test").certificate, Trust::leaf, "b"));
  store_->rollback(asked(), 1, {});
  ASSERT_EQ(1U, all().size());
  EXPECT_EQ("a", all()[0].label);
}

TEST_F(StoreTest, RollbackNeverLiftsDistrustNorRevivesWhatEnded) {
  const auto root = minted("ca.test", true), guest = minted("guest.test");
  store_->add(asked(), addition(root.certificate, Trust::root, "ca"));
  Addition until = addition(guest.certificate, Trust::leaf, "guest");
  until.expires_at = kNow + 10;
  store_->add(asked(), until);
  store_->add(asked(), addition(root.certificate, Trust::distrusted, "ca"));
  now_ = kNow + 10;
  store_->end_due(now_);
  EXPECT_TRUE(store_->plan_rollback(2).widens.empty());
  EXPECT_FALSE(store_->rollback(asked(), 2, {}).changed);
  ASSERT_EQ(1U, all().size());
  EXPECT_EQ(Trust::distrusted, all()[0].trust);
}

TEST_F(StoreTest, RollbackLeavesTheBaseAsItIs) {
  const auto one = minted("one.test", true), two = minted("two.test", true);
  store_->set_base("x", {{one.certificate}}, {});
  store_->set_base("x", {{two.certificate}}, {});
  EXPECT_FALSE(store_->rollback(asked(), 1, {}).changed);
  EXPECT_EQ(std::nullopt, store_->entry(one.certificate.fingerprint()));
  EXPECT_NE(std::nullopt, store_->entry(two.certificate.fingerprint()));
}

TEST_F(StoreTest, SameBaseAgainChangesNothing) {
  const auto one = minted("one.test", true);
  EXPECT_TRUE(store_->set_base("x", {{one.certificate}}, {}).changed);
  EXPECT_FALSE(store_->set_base("x", {{one.certificate}}, {}).changed);
  EXPECT_EQ(1U, store_->counts().base);
}

TEST_F(StoreTest, DifferenceReadsBothWays) {
  const auto a = minted("a.test"), b = minted("b.test");
  store_->add(asked(), addition(a.certificate, Trust::leaf, "a"));
  store_->add(asked(), addition(b.certificate, Trust::leaf, "b"));
  store_->remove(asked(), a.certificate.fingerprint());
  const Difference forward = store_->difference(1, 3), backward = store_->difference(3, 1);
  EXPECT_EQ("b", forward.added.at(0).label);
  EXPECT_EQ("a", forward.removed.at(0).label);
  EXPECT_EQ("a", backward.added.at(0).label);
  EXPECT_EQ("b", backward.removed.at(0).label);
  EXPECT_EQ(Code::not_found, code_of([&] { store_->difference(1, 9); }));
}

TEST_F(StoreTest, BatchKeepsWhatSucceededWhenOneFails) {
  const auto a = minted("a.test"), b = minted("b.test");
  GenerationNumber first = 0, last = 0;
  const auto thrown = store_->batch({
      [&](Store& store) {
        first = store.add(asked(), addition(a.certificate, Trust::leaf, "a")).change.generation;
      },
      [&](Store& store) {
        store.add(asked(), addition(b.certificate, Trust::leaf, "b"));
        store.remove(asked(), minted("c.test").certificate.fingerprint());
      },
      [&](Store& store) {
        last = store.add(asked(), addition(b.certificate, Trust::leaf, "b")).change.generation;
      },
  });
  EXPECT_FALSE(thrown.at(0));
  EXPECT_TRUE(thrown.at(1));
  EXPECT_FALSE(thrown.at(2));
  EXPECT_EQ(1U, first);
  EXPECT_EQ(2U, last);
  EXPECT_EQ(2U, store_->generation());
  EXPECT_EQ(std::nullopt, store_->verify_audit());
}

TEST_F(StoreTest, EditedAuditRecordIsFound) {
  for (int i = 0; i < 3; ++i)
    store_->add(asked(), addition(minted("a.test").certificate, Trust::leaf, "a"));
  store_.reset();
  {
    Database db(path_, SQLITE_OPEN_READWRITE, path_);
    db.run("UPDATE audit SET reason = 'none' WHERE number = 2");
  }
  store_.emplace(Store::open(path_, clock()));
  EXPECT_EQ(2U, store_->verify_audit());
}

TEST_F(StoreTest, AuditRecordsCutOffAtTheEndAreMissed) {
  for (int i = 0; i < 3; ++i)
    store_->add(asked(), addition(minted("a.test").certificate, Trust::leaf, "a"));
  store_.reset();
  {
    Database db(path_, SQLITE_OPEN_READWRITE, path_);
    db.run("DELETE FROM audit WHERE number = 3");
  }
  store_.emplace(Store::open(path_, clock()));
  EXPECT_EQ(3U, store_->verify_audit());
}

TEST_F(StoreTest, ReaderSeesTheWriterAndCannotWrite) {
  Store reader = Store::open_reader(path_, clock());
  store_->add(asked(), addition(minted("a.test").certificate, Trust::leaf, "a"));
  EXPECT_EQ(1U, reader.generation());
  EXPECT_EQ(Code::read_only, code_of([&] {
              reader.add(asked(), addition(minted("b.test").certificate, Trust::leaf, "b"));
            }));
}

TEST_F(StoreTest, DamagedOrForeignDatabaseIsRefused) {
  const std::string rubbish = directory_ + "/rubbish.db";
  std::ofstream(rubbish) << std::string(5000, 'x');
  EXPECT_EQ(Code::store_invalid, code_of([&] { Store::open(rubbish, clock()); }));
  const std::string foreign = directory_ + "/foreign.db";
  {
    Database db(foreign, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, foreign);
    db.run("CREATE TABLE t(x)");
  }
  EXPECT_EQ(Code::store_invalid, code_of([&] { Store::open(foreign, clock()); }));
  const std::string newer = directory_ + "/newer.db";
  {
    Database db(newer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, newer);
    db.run("PRAGMA application_id = 1953657716; PRAGMA user_version = 99; CREATE TABLE t(x)");
  }
  EXPECT_EQ(Code::store_invalid, code_of([&] { Store::open(newer, clock()); }));
  EXPECT_NE(std::string::npos, message_.find("newer version"));
}

TEST_F(StoreTest, ShadowIsMadeOnceForAKey) {
  Digest key{};
  int made = 0;
  const auto make = [&] {
    ++made;
    return Bytes{1, 2, 3};
  };
  EXPECT_EQ((Bytes{1, 2, 3}), store_->shadow(key, make));
  EXPECT_EQ((Bytes{1, 2, 3}), store_->shadow(key, make));
  EXPECT_EQ(1, made);
}

TEST_F(StoreTest, EachEntryGoesFromTheBaseUpwardWithItsBytes) {
  const auto root = minted("base.test", true), own = minted("a.test");
  store_->add(asked(), addition(own.certificate, Trust::leaf, "a"));
  store_->set_base("x", {{root.certificate}}, {});
  std::vector<Layer> layers;
  store_->each_entry([&](const Entry& entry, ByteView der) {
    layers.push_back(entry.layer);
    EXPECT_EQ(entry.certificate.fingerprint.bytes, sha256(der));
  });
  EXPECT_EQ((std::vector{Layer::base, Layer::own}), layers);
}

} // namespace
} // namespace trust

namespace trust {
namespace {

// One key in 64 has such a pin.
TEST(PinText, IsReadBackWhenItsBase64BeginsWithASlash) {
  Pin pin;
  pin.spki_hash.fill(0xff);
  ASSERT_TRUE(pin.text().starts_with("sha256//"));
  EXPECT_EQ(pin, Pin::parse(pin.text()));
  EXPECT_EQ(pin, Pin::parse("sha256//" + base64(pin.spki_hash)));
}

} // namespace
} // namespace trust
