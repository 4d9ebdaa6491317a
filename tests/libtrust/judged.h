#pragma once
// A small store to judge by, for tests: entries and pins in a trust.db of its own.

#include <fcntl.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libtrust/judge.h"
#include "libtrust/snapshot.h"
#include "libtrust/view.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace trust::testing {

class Judged {
 public:
  struct Options {
    std::vector<std::string> hosts = {};
    Layer layer = Layer::own;
    std::optional<UnixTime> end = {};
    bool only_this = false;
    std::string label = {};
  };
  struct PinOptions {
    PinRow::Mode mode = PinRow::Mode::enforce;
    PinRow::Role role = PinRow::Role::active;
    PinRow::Position position = PinRow::Position::path;
    std::optional<UnixTime> end = {};
  };

  // May be left out or repeated; the next view has what was added until then.
  Judged& add(const Certificate& certificate, Trust trust) { return add(certificate, trust, {}); }
  Judged& add(const Certificate& certificate, Trust trust, const Options& options) {
    Entry entry;
    entry.id = ++last_id_;
    entry.layer = options.layer;
    entry.trust = trust;
    entry.certificate = CertificateFacts::of(certificate);
    entry.label = options.label;
    for (const std::string& host : options.hosts) entry.hosts.push_back(Pattern::parse(host));
    entry.expires_at = options.end;
    entry.only_this_certificate = options.only_this;
    entries_.emplace_back(std::move(entry),
                          Bytes(certificate.der().begin(), certificate.der().end()));
    return *this;
  }
  Judged& base(const Certificate& certificate) {
    return add(certificate, Trust::root, {.layer = Layer::base});
  }
  Judged& pin(const std::string& pattern, const Certificate& certificate) {
    return pin(pattern, certificate, {});
  }
  Judged& pin(const std::string& pattern, const Certificate& certificate,
              const PinOptions& options) {
    PinRow row;
    row.id = ++last_id_;
    row.pin = Pin::of(certificate);
    row.pattern = PortPattern::parse(pattern);
    row.mode = options.mode;
    row.role = options.role;
    row.position = options.position;
    row.expires_at = options.end;
    pins_.push_back(row);
    return *this;
  }
  Judged& created_at(UnixTime time) {
    header_.created_at = time;
    return *this;
  }

  // Writes it and opens it.
  const View& view() {
    const std::string name = scratch_.path("gen-" + std::to_string(++views_made_));
    std::filesystem::create_directory(name);
    header_.generation = views_made_;
    SnapshotWriter writer(name + "/trust.db", header_);
    for (const auto& [entry, der] : entries_) writer.entry(entry, der);
    for (const PinRow& row : pins_) writer.pin(row);
    writer.index();
    writer.finish();
    const Fd directory(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    view_ = std::make_unique<View>(Snapshot::open_at(directory.get(), name));
    return *view_;
  }
  std::string file() const {
    return scratch_.path("gen-" + std::to_string(views_made_)) + "/trust.db";
  }

  Judgement judge(const std::vector<Certificate>& chain, const std::string& host,
                  const JudgeOptions& options = {}, UnixTime now = system_clock_now(),
                  Port port = 443) {
    return trust::judge(chain, Host::parse(host), port, view(), options, now);
  }

 private:
  Scratch scratch_;
  SnapshotHeader header_{std::string(32, 'a'), 0, 1, "1:00"};
  std::vector<std::pair<Entry, Bytes>> entries_;
  std::vector<PinRow> pins_;
  std::int64_t last_id_ = 0;
  GenerationNumber views_made_ = 0;
  std::unique_ptr<View> view_;
};

} // namespace trust::testing
