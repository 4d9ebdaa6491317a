#include "cli/command/sinks.h"

#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "libtrust/error.h"

namespace trust {

int alerts_test_command(Context& context, const std::string& sink) {
  const Json answer =
      context.client().post("/v1/sinks/" + percent_encoded(sink) + "/test", Json::object());
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  context.terminal().say("the sink " + shown(text_at(answer, "sink")) + " took the test " +
                         shown(text_at(answer, "id")));
  return 0;
}

} // namespace trust
