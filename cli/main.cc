// trustctl: reads the command line and calls the one command that it names.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/command/add.h"
#include "cli/command/alerts.h"
#include "cli/command/audit.h"
#include "cli/command/completion.h"
#include "cli/command/env.h"
#include "cli/command/history.h"
#include "cli/command/identity.h"
#include "cli/command/list.h"
#include "cli/command/manual.h"
#include "cli/command/path.h"
#include "cli/command/pin.h"
#include "cli/command/profile.h"
#include "cli/command/remove.h"
#include "cli/command/service.h"
#include "cli/command/sinks.h"
#include "cli/command/verify.h"
#include "cli/command/why.h"
#include "cli/context.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr int kUsage = 2;
constexpr const char* kHidden = ""; // the group of what neither help nor completion shows

// Everything that can be said on the command line.
struct Line {
  Globals globals;
  AddArguments add;
  ListArguments list;
  DistrustArguments distrust;
  PinAddArguments pin_add;
  EnvArguments env;
  ProfileArguments profile;
  RunArguments run;
  NewArguments make;
  CaArguments ca;
  VerifyArguments verify;
  WhyArguments why;
  LogArguments log;
  DiffArguments diff;
  RollbackArguments rollback;
  AckArguments ack;
  std::string id, what, host, pattern, pin, shell;
  std::vector<std::string> words;
  std::uint64_t most = 50;
  bool install = false;
  bool follow = false;
  bool all = false;
  std::uint64_t generation = 0, second_generation = 0;

  std::function<int(Context&)> command;
};

CLI::App* add_command(CLI::App& parent, Line& line, const char* name, const char* help,
                      std::function<int(Context&)> command) {
  CLI::App* app = parent.add_subcommand(name, help);
  app->fallthrough();
  app->callback([&line, command = std::move(command)] { line.command = command; });
  return app;
}

// The library reads "-1" as a very large number.
CLI::Option* whole(CLI::Option* option) {
  return option->check([](const std::string& text) -> std::string {
    const bool is_number =
        !text.empty() && text.size() <= 18 &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    return is_number ? "" : "not a whole number: " + text;
  });
}

CLI::Option* named(CLI::Option* option, const char* value) { return option->type_name(value); }

void add_ends(CLI::App& app, std::string& duration, std::string& until) {
  CLI::Option* by_duration =
      named(app.add_option("--for", duration, "ends after that long: 90s, 8h, 30d"), "DURATION");
  named(app.add_option("--until", until, "ends then: 2027-01-31 or an RFC 3339 time"), "DATE")
      ->excludes(by_duration);
}

void add_starttls(CLI::App& app, std::string& protocol) {
  named(app.add_option("--starttls", protocol, "the server begins in clear, in this protocol"),
        "PROTOCOL")
      ->check(CLI::IsMember({"smtp", "imap", "postgres"}));
}

void define_globals(CLI::App& app, Globals& globals) {
  app.add_flag("--json", globals.json, "print what the REST API answers");
  app.add_flag("--quiet,-q", globals.quiet, "print nothing but what was asked for");
  app.add_flag("--no-color", globals.no_color, "no colour, as with NO_COLOR");
  app.add_flag("--system", globals.system, "the machine's daemon and store, not this user's");
  named(app.add_option("--socket", globals.socket, "the daemon's socket, or http://127.0.0.1:PORT"),
        "SOCKET");
  named(
      app.add_option("--store", globals.store, "the published store: the directory with `current`"),
      "DIR");
  named(app.add_option("--reason", globals.reason, "why, for the audit log; with every change"),
        "TEXT");
}

void define_service(CLI::App& app, Line& line) {
  add_command(app, line, "start", "start the daemon and wait until it answers", start_command);
  add_command(app, line, "stop", "stop the daemon and wait until it is gone", stop_command);
  add_command(app, line, "status", "what the daemon holds, and where", status_command);
}

void define_add(CLI::App& app, Line& line) {
  AddArguments& a = line.add;
  CLI::App* add = add_command(app, line, "add", "trust certificates, or a server",
                              [&line](Context& c) { return add_command(c, line.add); });
  named(add->add_option("source", a.sources, "a file, a directory, -, HOST:PORT or https://URL"),
        "SOURCE")
      ->required();
  named(add->add_option("--fingerprint", a.fingerprint,
                        "the SHA-256 of what will be stored: all 64 digits; vouches for a server"),
        "HEX");
  named(add->add_option("--as", a.as, "root: trusted for what it signs; leaf: itself alone"),
        "KIND")
      ->check(CLI::IsMember({"root", "leaf"}));
  named(add->add_option("--host", a.hosts,
                        "trust it for this host, *.name, **.name or network alone"),
        "PATTERN")
      ->allow_extra_args(false);
  named(add->add_option("--label", a.label, "its name; made of the host or file if not given"),
        "LABEL");
  add_ends(*add, a.duration, a.until);
  add_starttls(*add, a.starttls);
  add->add_flag("--pin", a.pin, "also pin the key, so that no other certificate will do");
  add->add_flag("--replace", a.replace, "in place of the one with this label");
  add->add_flag(
         "--tofu", a.tofu,
         "trust what the server presents at this first contact, and pin its key; never again")
      ->excludes("--fingerprint")
      ->excludes("--replace");
  add->add_flag("--skip-invalid", a.skip_invalid, "take the good ones of a file with bad ones");
  add->add_flag("--emit-signing", a.emit_signing,
                "system-wide, publish a leaf that could sign like a CA");
}

void define_entries(CLI::App& app, Line& line) {
  CLI::App* list = add_command(app, line, "list", "what was added",
                               [&line](Context& c) { return list_command(c, line.list); });
  list->add_flag("--all", line.list.all, "the roots beneath too");
  named(list->add_option("--expires-within", line.list.expires_within, "ends within: 30d, 8h"),
        "DURATION");
  named(list->add_option("--host", line.list.host, "what holds for this host"), "HOST");
  named(list->add_option("--label", line.list.label, "the one with this label"), "LABEL");

  CLI::App* show = add_command(app, line, "show", "everything about one certificate or host",
                               [&line](Context& c) { return show_command(c, line.what); });
  named(
      show->add_option("what", line.what, "a label, fingerprint or its beginning; a file; a host"),
      "ID|FILE|HOST")
      ->required();

  CLI::App* rm = add_command(app, line, "rm", "no longer trust what was added",
                             [&line](Context& c) { return remove_command(c, line.id); });
  named(rm->add_option("id", line.id, "a label, or a fingerprint or its first 16 digits"), "ID")
      ->required();

  CLI::App* distrust =
      add_command(app, line, "distrust", "refuse a certificate and everything with its key",
                  [&line](Context& c) { return distrust_command(c, line.distrust); });
  named(distrust->add_option("what", line.distrust.what, "a label, fingerprint or file"), "ID|FILE")
      ->required();
  distrust->add_flag("--only-this-certificate", line.distrust.only_this_certificate,
                     "not everything with its key");
}

void define_pins(CLI::App& app, Line& line) {
  CLI::App* pin = app.add_subcommand("pin", "accept certain keys only for a host");
  pin->require_subcommand(1)->fallthrough();
  PinAddArguments& a = line.pin_add;
  CLI::App* add = add_command(*pin, line, "add", "pin keys for a host",
                              [&line](Context& c) { return pin_add_command(c, line.pin_add); });
  named(
      add->add_option("host", a.pattern, "a host or pattern, with a port if it is for that alone"),
      "HOST[:PORT]")
      ->required();
  named(add->add_option("pin", a.pins, "sha256/BASE64; without: the key of the stored leaf"),
        "PIN");
  named(add->add_option("--from", a.from, "the key of this file, or of what this server presents"),
        "FILE|HOST:PORT");
  named(add->add_option("--backup", a.backups, "a key that is not in use yet"), "PIN")
      ->allow_extra_args(false);
  add->add_flag("--report-only", a.report_only, "report a mismatch, refuse nothing");
  add->add_flag("--leaf-only", a.leaf_only, "the server's own key must match, not an issuer's");
  add_ends(*add, a.duration, a.until);

  CLI::App* list = add_command(*pin, line, "list", "the pins, or those in force for a host",
                               [&line](Context& c) { return pin_list_command(c, line.host); });
  named(list->add_option("host", line.host, "a host, with a port unless it is 443"), "HOST");

  CLI::App* rm = add_command(*pin, line, "rm", "take pins away", [&line](Context& c) {
    return pin_remove_command(c, line.pattern, line.pin);
  });
  named(rm->add_option("host", line.pattern, "as it was pinned"), "HOST[:PORT]")->required();
  named(rm->add_option("pin", line.pin, "this one alone"), "PIN");
}

void define_decisions(CLI::App& app, Line& line) {
  CLI::App* verify =
      add_command(app, line, "verify", "whether a server would be trusted, by what is published",
                  [&line](Context& c) { return verify_command(c, line.verify); });
  named(verify->add_option("host", line.verify.host, "a host, with a port unless it is 443"),
        "HOST[:PORT]")
      ->required();
  named(verify->add_option("--chain", line.verify.chain,
                           "what it presents, its own certificate first; nothing is dialled"),
        "FILE");
  add_starttls(*verify, line.verify.starttls);

  CLI::App* why =
      add_command(app, line, "why", "the same, step by step, and what each program would do",
                  [&line](Context& c) { return why_command(c, line.why); });
  named(why->add_option("what", line.why.what,
                        "a host, with a port unless it is 443; a label or fingerprint"),
        "HOST[:PORT]|ID")
      ->required();
  add_starttls(*why, line.why.starttls);
}

void define_use(CLI::App& app, Line& line) {
  CLI::App* path = add_command(app, line, "path", "one path, for verify=\"$(trustctl path LABEL)\"",
                               [&line](Context& c) { return path_command(c, line.id); });
  named(path->add_option("what", line.id, "a label or fingerprint; bundle, extra, hashed or p12"),
        "ID|bundle|extra|hashed|p12");

  CLI::App* env = add_command(app, line, "env", "the variables that tell programs about the store",
                              [&line](Context& c) {
                                if (!line.install && !line.profile.uninstall) {
                                  return env_command(c, line.env);
                                }
                                return profile_command(c, line.profile);
                              });
  named(env->add_option("--shell", line.env.shell, "for which it is written"), "SHELL")
      ->check(CLI::IsMember({"sh", "fish", "dotenv", "json"}));
  named(env->add_option_function<std::string>(
            "--with", [&line](const std::string&) { line.env.java = true; },
            "variables that are left out otherwise"),
        "WHAT")
      ->check(CLI::IsMember({"java"}));
  env->add_flag("--force", line.env.force, "replace variables that are set to something else");
  CLI::Option* install = env->add_flag("--install", line.install,
                                       "one line into the file your shell reads at its start");
  env->add_flag("--uninstall", line.profile.uninstall, "take that line out again")
      ->excludes(install);
  named(env->add_option("--profile", line.profile.profile, "that file, if not the one of $SHELL"),
        "FILE");

  CLI::App* run = add_command(app, line, "run", "run a command with those variables",
                              [&line](Context& c) { return run_command(c, line.run); });
  named(run->add_option("command", line.run.command, "the command and its arguments"), "CMD")
      ->required();
}

void add_key_options(CLI::App& app, std::string& key, std::string& digest,
                     std::optional<std::int64_t>& days) {
  named(app.add_option("--key", key, "the kind of key"), "KIND")
      ->check(CLI::IsMember({"ecdsa-p256", "rsa-2048", "rsa-4096", "ed25519"}));
  named(app.add_option("--digest", digest, "what is signed; Ed25519 has its own"), "DIGEST")
      ->check(CLI::IsMember({"sha256", "sha384", "sha512"}));
  whole(named(app.add_option("--days", days, "how long it is valid"), "NUMBER"));
}

void define_identities(CLI::App& app, Line& line) {
  NewArguments& n = line.make;
  CLI::App* make = add_command(app, line, "new", "make a key and a certificate for a server",
                               [&line](Context& c) { return new_command(c, line.make); });
  named(make->add_option("name", n.names, "a host, an address or *.name"), "NAME")->required();
  named(
      make->add_option("--out", n.out, "key.pem and cert.pem go there; without: the daemon's own"),
      "DIR");
  add_key_options(*make, n.key, n.digest, n.days);
  named(make->add_option("--key-format", n.key_format, "how the key stands in its file"), "FORMAT")
      ->check(CLI::IsMember({"pkcs8", "traditional"}));
  named(make->add_option("--passphrase-file", n.passphrase_file,
                         "encrypt the key with this file's first line"),
        "FILE");
  named(make->add_option("--label", n.label, "its name; made of the first NAME if not given"),
        "LABEL");
  make->add_flag("--ca", n.ca, "CA:TRUE, as old recipes have it: it could sign for any name");
  make->add_flag("--from-ca", n.from_ca, "signed by the local CA (trustctl ca init)");
  make->add_flag("--trust", n.trust, "and trust it, as `add` would");
  make->add_flag("--renew", n.renew, "the daemon renews it at two thirds of its lifetime");
  named(make->add_option("--after-renew", n.after_renew,
                         "renew it, and then run this [[hook]] of trustd.toml"),
        "HOOK");
  make->add_flag("--force", n.force, "replace the key and certificate that are there");
  make->add_flag("--emit-signing", n.emit_signing,
                 "system-wide, publish it although it could sign like a CA");

  CLI::App* renew = add_command(app, line, "renew", "renew what trustd made, now",
                                [&line](Context& c) { return renew_command(c, line.id); });
  named(renew->add_option("id", line.id, "a label, or a fingerprint or its first 16 digits"), "ID")
      ->required();

  CLI::App* identity = app.add_subcommand("identity", "what trustd made and can renew");
  identity->require_subcommand(1)->fallthrough();
  add_command(*identity, line, "list", "keys and certificates, and when they are renewed",
              identity_list_command);
  CLI::App* rm = add_command(*identity, line, "rm", "renew it no more; a key of the daemon's goes",
                             [&line](Context& c) { return identity_remove_command(c, line.id); });
  named(rm->add_option("id", line.id, "a label, or a fingerprint or its first 16 digits"), "ID")
      ->required();

  CLI::App* ca = app.add_subcommand("ca", "a CA of your own that can sign for nobody else");
  ca->require_subcommand(1)->fallthrough();
  CaArguments& a = line.ca;
  CLI::App* init = add_command(*ca, line, "init", "make the local CA, and trust it",
                               [&line](Context& c) { return ca_init_command(c, line.ca); });
  named(init->add_option("--permit", a.permit,
                         "what it may sign: a host, *.name, **.name, an address or network"),
        "PATTERN")
      ->required()
      ->allow_extra_args(false);
  add_key_options(*init, a.key, a.digest, a.days);
  named(init->add_option("--name", a.name, "its common name"), "NAME");
  named(init->add_option("--label", a.label, "its label; local-ca if not given"), "LABEL");
  add_command(*ca, line, "show", "the local CA, and what it may sign", ca_show_command);
}

void define_history(CLI::App& app, Line& line) {
  CLI::App* events = add_command(app, line, "events", "what happened",
                                 [&line](Context& c) { return events_command(c, line.follow); });
  events->add_flag("--follow,-f", line.follow, "and what happens from now on");

  CLI::App* log = add_command(app, line, "log", "who changed what, when and why",
                              [&line](Context& c) { return log_command(c, line.log); });
  whole(named(log->add_option("-n", line.log.most, "as many, the newest first"), "NUMBER"));
  log->add_flag("--verify", line.log.verify, "recompute the chain of the records");
  named(log->add_option("--head", line.log.head, "the chain must go through this record"),
        "N:HASH");

  CLI::App* generations =
      add_command(app, line, "generations", "the states that the store has had",
                  [&line](Context& c) { return generations_command(c, line.most); });
  whole(named(generations->add_option("-n", line.most, "as many, the newest first"), "NUMBER"));

  CLI::App* diff = add_command(app, line, "diff", "what changed between two generations",
                               [&line](Context& c) { return diff_command(c, line.diff); });
  whole(named(diff->add_option("a", line.diff.from, "from this generation"), "A"))->required();
  whole(named(diff->add_option("b", line.diff.to, "to this one; without: now"), "B"));

  CLI::App* rollback =
      add_command(app, line, "rollback", "back to an earlier generation",
                  [&line](Context& c) { return rollback_command(c, line.rollback); });
  whole(named(
      rollback->add_option("generation", line.rollback.target, "without: the one before the last"),
      "N"));
  rollback->add_flag("--yes,-y", line.rollback.yes, "do not ask");
}

void define_watches(CLI::App& app, Line& line) {
  CLI::App* watch = app.add_subcommand("watch", "look at servers and files before they end");
  watch->require_subcommand(1)->fallthrough();
  CLI::App* add = add_command(*watch, line, "add", "look at a server, a file or a directory",
                              [&line](Context& c) { return watch_add_command(c, line.what); });
  named(add->add_option("target", line.what, "a server; a file or directory of certificates"),
        "HOST:PORT|FILE|DIR")
      ->required();
  add_command(*watch, line, "list", "what is watched, and what was seen there", watch_list_command);
  CLI::App* rm = add_command(*watch, line, "rm", "no longer look at it",
                             [&line](Context& c) { return watch_remove_command(c, line.what); });
  named(rm->add_option("target", line.what, "as it was added, or its number in the list"),
        "HOST:PORT|FILE|DIR|NUMBER")
      ->required();
}

void define_alerts(CLI::App& app, Line& line) {
  CLI::App* alerts = app.add_subcommand("alerts", "what needs somebody to look at it");
  alerts->fallthrough();
  alerts->add_flag("--all", line.all, "what was resolved, too");
  alerts->callback([&line, alerts] {
    if (!alerts->get_subcommands().empty()) return; // that one is the command
    line.command = [&line](Context& c) { return alerts_command(c, line.all); };
  });
  CLI::App* ack = add_command(*alerts, line, "ack", "say that it was seen: sinks are told no more",
                              [&line](Context& c) { return alerts_ack_command(c, line.ack); });
  named(ack->add_option("alert", line.ack.id, "its number in the list"), "NUMBER")->required();
  add_ends(*ack, line.ack.duration, line.ack.until);
  CLI::App* test = add_command(*alerts, line, "test", "send a test through a sink of trustd.toml",
                               [&line](Context& c) { return alerts_test_command(c, line.what); });
  named(test->add_option("sink", line.what, "its name in trustd.toml"), "SINK")->required();
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size() && !text.empty()) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// What the library knows of a command, as data.
Command tree_of(const CLI::App& app) {
  Command command;
  command.name = app.get_name();
  command.help = app.get_description();
  command.stands_alone = app.get_require_subcommand_min() == 0;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() == kHidden) continue;
    const std::string value = option->get_type_name();
    const bool repeated = option->get_items_expected_max() > 1;
    const std::size_t brace = value.find(":{");
    std::vector<std::string> choices;
    if (brace != std::string::npos) {
      choices = split(value.substr(brace + 2, value.size() - brace - 3), ',');
    }
    const std::string word = value.substr(0, brace);
    if (option->get_positional()) {
      for (const std::string& choice : split(word, '|')) {
        if (!choice.empty() && choice.front() >= 'a') choices.push_back(choice);
      }
      command.arguments.push_back(
          {word, option->get_description(), choices, option->get_required(), repeated});
      continue;
    }
    std::vector<std::string> names;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    command.options.push_back({std::move(names), option->get_items_expected_max() == 0 ? "" : word,
                               option->get_description(), choices, repeated});
  }
  for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (child->get_group() != kHidden) command.commands.push_back(tree_of(*child));
  }
  return command;
}

void define_hidden(CLI::App& app, Line& line) {
  CLI::App* completion =
      add_command(app, line, "completion", "a script that completes command lines in a shell",
                  [&line](Context& c) { return completion_command(c, line.shell); });
  named(completion->add_option("shell", line.shell, "for which"), "SHELL")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  add_command(app, line, "__complete", "", [&app, &line](Context& c) {
    return complete_command(c, tree_of(app), line.words);
  })->group(kHidden);
  add_command(app, line, "__manual", "", [&app](Context& c) {
    c.terminal().out(manual_text(tree_of(app), TRUST_VERSION));
    return 0;
  })->group(kHidden);
}

bool takes_a_value(std::string_view option) {
  return option == "--socket" || option == "--store" || option == "--reason";
}

// The words of a command to run, or to complete, are not ours to read: they are taken off before
// the rest is parsed.
std::vector<std::string> take_words(int argc, char** argv, Line& line) {
  std::vector<std::string> ours, words;
  std::string_view command;
  int i = 1;
  for (; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (command.empty() && !word.starts_with('-')) {
      command = word;
    } else if (command == "__complete") {
      break;
    } else if (command == "run" && (word == "--" || !word.starts_with('-'))) {
      if (word == "--") ++i;
      break;
    } else if (takes_a_value(word) && i + 1 < argc) {
      ours.emplace_back(argv[i++]);
    }
    ours.emplace_back(argv[i]);
  }
  for (; i < argc; ++i) words.emplace_back(argv[i]);
  if (command == "run") {
    // The library sees one word, so that it can say when there is none.
    if (!words.empty()) {
      ours.emplace_back("--");
      ours.push_back(words.front());
    }
  }
  line.words = std::move(words);
  return ours;
}

// The commands, in the order of the help.
struct Group {
  void (*define)(CLI::App& app, Line& line);
  std::vector<std::string_view> commands;
};

// To describe all commands takes as long as much of what they do: where the first word is one, its
// group alone is described.
void define_commands(CLI::App& app, Line& line, const std::vector<std::string>& words) {
  static const Group kGroups[] = {
      {define_service, {"start", "stop", "status"}},
      {define_add, {"add"}},
      {define_entries, {"list", "show", "rm", "distrust"}},
      {define_pins, {"pin"}},
      {define_decisions, {"verify", "why"}},
      {define_use, {"path", "env", "run"}},
      {define_identities, {"new", "renew", "identity", "ca"}},
      {define_history, {"events", "log", "generations", "diff", "rollback"}},
      {define_watches, {"watch"}},
      {define_alerts, {"alerts"}},
      {define_hidden, {}}, // it tells of all others
  };
  const auto has_first = [&](const Group& group) {
    return !words.empty() && std::find(group.commands.begin(), group.commands.end(),
                                       words.front()) != group.commands.end();
  };
  const Group* const wanted = std::find_if(std::begin(kGroups), std::end(kGroups), has_first);
  if (wanted != std::end(kGroups)) return wanted->define(app, line);
  for (const Group& group : kGroups) group.define(app, line);
}

int run(int argc, char** argv) {
  Line line;
  CLI::App app("decide what this machine's programs trust", "trustctl");
  app.require_subcommand(1);
  app.set_help_flag("--help,-h", "print this help");
  app.set_version_flag("--version", "trustctl " TRUST_VERSION, "print the version");
  define_globals(app, line.globals);
  const std::vector<std::string> words = take_words(argc, argv, line);
  define_commands(app, line, words);
  const Environment environment = process_environment();
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Success& asked) {
    return app.exit(asked); // --help, --version
  } catch (const CLI::ParseError& error) {
    const Terminal terminal({.no_color = line.globals.no_color}, environment);
    std::string help = "trustctl";
    for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
      at = at->get_subcommands().front();
      help += " " + at->get_name();
    }
    std::string message = shown(error.what());
    if (app.get_subcommands().empty()) {
      const auto unknown = std::find_if(words.begin(), words.end(),
                                        [](const std::string& word) { return word[0] != '-'; });
      message = unknown == words.end() ? "no command given" : "no command " + shown(*unknown);
    }
    terminal.complain(Error(Code::usage, message, help + " --help"));
    return kUsage;
  }
  if (!line.run.command.empty()) line.run.command = line.words;

  Context context(line.globals, environment);
  try {
    const int status = line.command(context);
    context.terminal().finish();
    return status;
  } catch (const Error& error) {
    context.terminal().complain(error);
    return facts(error.code()).exit_status;
  }
}

}  // namespace
}  // namespace trust

int main(int argc, char** argv) {
  int status = 1;
  try {
    status = trust::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trustctl: %s\n", trust::shown(error.what()).c_str());
  }
  // What is left is memory alone, which the system takes back quicker than OpenSSL's handlers do.
  std::fflush(nullptr);
  std::_Exit(status);
}
