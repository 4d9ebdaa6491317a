#pragma once
// Starting trustd detached from this process: a session of its own, its output in a log file. One
// thread; forks.

#include <sys/types.h>

#include <string>
#include <vector>

#include "libtrust/handles.h"
#include "libtrust/layout.h"

namespace trust {

// trustd beside this program (in a build tree, as installed) or on PATH. Error{not_found}.
std::string find_trustd(const Environment& environment);

struct Launched {
  pid_t pid = 0;
  Fd handle; // readable once the process has ended
};
// Error{io} if it cannot be started. `log` is appended to and made 0600.
Launched launch(const std::string& program, const std::vector<std::string>& arguments,
                const std::string& log);

// The last line that is not empty; "" if there is none.
std::string last_line(const std::string& log);

}  // namespace trust
