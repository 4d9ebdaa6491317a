#pragma once
// What is published, as the daemon judges by it: the very generation that programs read, and never
// one that is gone. If it cannot be read nothing is judged. Any thread.

#include <memory>
#include <string>
#include <utility>

#include "daemon/changes.h"
#include "libtrust/guarded.h"
#include "libtrust/view.h"

namespace trust {

class Published {
 public:
  // `directory` holds `current`.
  Published(std::string directory, const Changes& changes)
      : directory_(std::move(directory)), changes_(changes) {}

  // Opened anew once another generation is published. Error{store_missing, store_invalid,
  // store_access}.
  std::shared_ptr<const View> view();

 private:
  const std::string directory_;
  const Changes& changes_;
  Guarded<std::shared_ptr<const View>> held_;
};

} // namespace trust
