#pragma once
// What a webhook is sent, in the forms that receivers know. Pure.

#include <string>

#include "daemon/config.h"
#include "daemon/sinks/delivery.h"

namespace trust {

// The body, as application/json.
//   json:         json_of(Delivery)
//   slack:        {"text", "attachments": [{"color", "text", "fallback"}]}, as Slack, Mattermost
//   and
//                 Rocket.Chat take it; text from outside cannot address anybody
//   alertmanager: the list that POST /api/v2/alerts takes. One that is open is said to end in an
//                 hour, and is sent again long before; one that is resolved or acknowledged ends
//                 now
std::string webhook_body(SinkConfig::Format format, const Delivery& delivery);

} // namespace trust
