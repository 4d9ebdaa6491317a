#pragma once
// Where trustctl speaks: results to standard output, everything else to standard error, questions
// to the person at the terminal. Knows whether there is a person, how wide the terminal is and
// whether it takes colour. One per process; one thread. Write errors on standard output are
// reported once, by finish().

#include <string>
#include <string_view>

#include "libtrust/error.h"
#include "libtrust/layout.h"

namespace trust {

enum class Style { plain, strong, dim, good, warning, bad };

// Text from elsewhere made fit for a terminal, as shown() does, but never cut.
std::string printable(std::string_view text);

// Quoted for a shell, if it needs to be, so that a hint can be pasted.
std::string shell_word(std::string_view word);

class Terminal {
 public:
  struct Options {
    bool quiet = false;    // no notes, no progress
    bool no_color = false; // as NO_COLOR and TERM=dumb
  };
  Terminal(const Options& options, const Environment& environment);

  bool quiet() const noexcept { return quiet_; }
  // Columns of the terminal that standard output is; 0 if it is none: then nothing is cut.
  std::size_t width() const noexcept { return width_; }
  // The text in its style if standard output takes colour.
  std::string styled(std::string_view text, Style style) const;

  void out(std::string_view text) const;  // standard output, as it is
  void line(std::string_view text) const; // with LF
  void say(std::string_view text) const;  // the same: what was done; nothing if quiet
  void note(std::string_view text) const; // standard error, with LF; nothing if quiet
  void warn(std::string_view text) const; // standard error, "warning: " before it
  // "trustctl: MESSAGE" and, where there is one, "hint: HINT", to standard error.
  void complain(const Error& error) const;
  // Replaces the line of progress on a terminal; does nothing anywhere else. An empty text
  // takes the line away.
  void progress(std::string_view text) const;

  // Whether a person can be asked: standard input is a terminal, or, when it is read for
  // something else, standard output or error is and the process has a controlling terminal.
  bool can_ask() const;
  // Shows `text` to the person and asks; anything but "y" or "yes" is no.
  bool ask(std::string_view text, std::string_view question) const;

  // What the person types, unseen. Error{not_confirmed} if there is nobody.
  std::string ask_secret(std::string_view question) const;

  // Error{io} if standard output could not be written.
  void finish() const;

 private:
  bool quiet_;
  bool output_colour_;
  bool error_colour_;
  bool error_is_terminal_;
  std::size_t width_ = 0;
};

}  // namespace trust
