#pragma once
// The candidate paths from a presented leaf to a root in a view, one after another, best first:
// OpenSSL never goes back in path building. Everything is counted, so that no chain, however it is
// made, costs more than a bounded amount of work: 64 signature checks, 32 paths, and as much
// computing as kMostEffort allows. No clock.
//
// Threads: one. Failure: Error, if the view cannot be read. Source: RFC 4158.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/judge_extras.h"
#include "libtrust/view.h"

namespace trust {

inline constexpr std::size_t kMostSignatureChecks = 64;
inline constexpr std::size_t kMostCandidatePaths = 32;
inline constexpr std::size_t kMostPathSteps = 2048;       // issuers tried
// About 50 microseconds each. Checks on large keys cost many, so that 64 of them do not take long.
inline constexpr std::size_t kMostEffort = 240;

struct CandidatePath {
  std::vector<const Certificate*> certificates; // leaf first, the anchor last
  const Anchor* anchor = nullptr;
  std::shared_ptr<const std::vector<Anchor>> same_subject; // the anchor among them
};

// What is asked while paths are looked for.
class PathScreen {
 public:
  virtual ~PathScreen() = default;
  // Whether a path may hold it; before a signature by or of it is checked.
  virtual bool admits(const Certificate& certificate, bool as_anchor) = 0;
  // Whether a path may end at it.
  virtual bool in_force(const Entry& entry) = 0;
  virtual void bad_signature(const Certificate& of, const Certificate& by) = 0;
  // A whole path; its signatures are good. True: no other is wanted.
  virtual bool accepts(const CandidatePath& path) = 0;
};

class PathSearch {
 public:
  // All are borrowed. `presented`: the leaf first, in any order after it.
  PathSearch(std::span<const Certificate> presented, const View& view, PathScreen& screen);

  // Whether a path was accepted.
  bool run();
  // Whether it was ended by a limit.
  bool spent() const noexcept { return spent_; }
  const JudgeWork& work() const noexcept { return work_; }

 private:
  struct Issuer {
    const Certificate* certificate;
    const Anchor* anchor; // null: a presented one
  };

  bool extend();
  bool complete(const Issuer& issuer);
  std::vector<Issuer> issuers_of(const Certificate& certificate);
  bool in_path(const Certificate& certificate) const;
  bool signed_by(const Certificate& of, const Certificate& by);

  std::vector<const Certificate*> presented_; // each once
  const View& view_;
  PathScreen& screen_;
  CandidatePath path_;
  std::map<std::pair<const Certificate*, const Certificate*>, bool> signatures_;
  std::vector<std::shared_ptr<const std::vector<Anchor>>> kept_;
  JudgeWork work_;
  bool spent_ = false;
};

} // namespace trust
