#include "cli/command/manual.h"

namespace trust {
namespace {

constexpr const char* kAbout =
    "decides what this machine's programs trust: certificates that are added once, with their\n"
    "fingerprint seen and confirmed, are verified by requests, curl, git, Node, Java and others "
    "from\n"
    "then on.\n";

constexpr const char* kAfterCommands = R"(.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
failed
.TP
.B 2
wrong usage
.TP
.B 3
not trusted, or a pin or fingerprint did not match
.TP
.B 4
no daemon answers (trustctl start)
.TP
.B 5
not found
.TP
.B 6
refused: not permitted, or not confirmed
.TP
.B 7
conflict
.PP
.B trustctl run
ends as its command does; with 127 if there is no such command, 126 if it cannot be executed and
125 if something of trustd's failed, in which case the command was not started.
.SH ENVIRONMENT
.TP
.B TRUSTD_STORE
the published store, the directory that holds
.IR current ,
in place of this user's or the machine's
.TP
.B TRUSTD_SOCKET
the daemon's socket, or http://127.0.0.1:PORT
.TP
.B NO_COLOR
if set, no colour
.SH FILES
.TP
.I ~/.local/state/trustd/public/current/
what this user's daemon publishes
.TP
.I /var/lib/trustd/public/current/
what the machine's daemon publishes
.SH SEE ALSO
.BR trustd (8)
)";

// A line of text in roff: nothing in it is a request or an escape.
std::string roff(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
      result += "\\&";
      result += c;
    } else {
      result += c;
    }
  }
  return result;
}

std::string choices_text(const std::vector<std::string>& choices) {
  std::string text;
  for (const std::string& choice : choices) text += (text.empty() ? "" : ", ") + choice;
  return text.empty() ? "" : " (" + roff(text) + ")";
}

std::string options_text(const Command& command, bool is_child) {
  std::string text;
  for (const CommandOption& option : command.options) {
    if (is_child && option.names.front() == "--help") continue;
    std::string names;
    for (const std::string& name : option.names) {
      names += (names.empty() ? "" : ", ") + ("\\fB" + roff(name) + "\\fR");
    }
    if (!option.value.empty()) names += " \\fI" + roff(option.value) + "\\fR";
    text += ".TP\n" + names + "\n" + roff(option.help) + choices_text(option.choices) + "\n";
  }
  return text;
}

void add_section(const Command& command, const std::string& name, std::string& text) {
  const std::string synopsis = synopsis_of(command);
  text += ".SS trustctl " + roff(name) + (synopsis.empty() ? "" : " " + roff(synopsis)) + "\n";
  text += roff(command.help) + "\n";
  for (const CommandArgument& argument : command.arguments) {
    text += ".TP\n\\fI" + roff(argument.name) + "\\fR\n" + roff(argument.help) +
            choices_text(argument.choices) + "\n";
  }
  text += options_text(command, true);
}

void add_command(const Command& command, const std::string& before, std::string& text) {
  const std::string name = before.empty() ? command.name : before + " " + command.name;
  if (!command.commands.empty()) {
    if (command.stands_alone) add_section(command, name, text);
    for (const Command& child : command.commands) add_command(child, name, text);
    return;
  }
  add_section(command, name, text);
}

}  // namespace

std::string manual_text(const Command& root, const std::string& version) {
  std::string text = ".TH TRUSTCTL 1 \"\" \"trustd " + version + "\" \"User Commands\"\n";
  text += ".SH NAME\ntrustctl \\- " + roff(root.help) + "\n";
  text += ".SH SYNOPSIS\n.B trustctl\n[\\fIOPTION\\fR…] \\fICOMMAND\\fR [\\fIARGUMENT\\fR…]\n";
  text += ".SH DESCRIPTION\ntrustctl speaks to trustd, which\n" + std::string(kAbout);
  text += ".SH OPTIONS\nThese stand before or after the command.\n" + options_text(root, false);
  text += ".SH COMMANDS\n";
  for (const Command& command : root.commands) add_command(command, "", text);
  return text + kAfterCommands;
}

}  // namespace trust
