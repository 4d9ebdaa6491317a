#pragma once
// How alerts come about and how they reach people.
//
// An alert is raised for a cause ("end:<fingerprint>", "delivery:<sink>"): a text that says what it
// is about, so that it is raised once however often it is found, and settled when it is gone. Each
// raising, reminder and resolution is one Notice, a numbered row written in the same transaction.
//
// Sinks are told by reading, not by being called: a sink holds a position, reads
// Store::notices(position, …), delivers them in order (several together, so that many alerts of one
// moment are one message), and then sets its position with Changes::submit. A kill in between means
// that the same numbers are delivered again, none is lost. New ones are announced by the `told` of
// Changes, on whose thread nothing may be waited for.
//
// Threads: any. What is raised here is durable shortly after; a full disk is logged, and whoever
// found the cause finds it again.

#include <string>

#include "daemon/changes.h"
#include "libtrust/alert.h"

namespace trust {

void raise_alert(Changes& changes, const std::string& cause, Alert alert);
void settle_alert(Changes& changes, const std::string& cause);

} // namespace trust
