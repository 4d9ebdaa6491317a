#pragma once
// `trustctl why`: a decision as a person would tell it. Of a server: what it presents, which entry
// decides, step by step, what each published file says, what programs do, and what would change it.
// Of an entry: the same as far as it goes without a server.

#include "cli/command/judged.h"

namespace trust {

struct WhyArguments {
  std::string what; // HOST[:PORT], or an ID
  std::string starttls;
};

// 0, or 3 if the server is not trusted, or the entry is distrusted.
int why_command(Context& context, const WhyArguments& arguments);

} // namespace trust
