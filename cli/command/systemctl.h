#pragma once
// systemctl, where a manager of this user's or the machine's services runs and has our unit. One
// thread; runs programs.

#include <sys/types.h>

#include <string>
#include <vector>

#include "libtrust/layout.h"

namespace trust {

class Systemctl {
 public:
  // `system`: the machine's manager; else the user's.
  Systemctl(bool system, const Environment& environment);

  // Whether the manager runs and knows the service.
  bool has_service() const;
  // The service's main process; 0 if it does not run.
  pid_t main_pid() const;
  // Error{io} with what systemctl answered on standard error left where it is.
  void start() const;
  // The socket unit too, or the next request would start the service again.
  void stop() const;

 private:
  int run(const std::vector<std::string>& arguments, std::string* output) const;

  bool system_;
  bool manager_runs_;
};

}  // namespace trust
