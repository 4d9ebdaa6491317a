#pragma once
// Prometheus' text form, version 0.0.4, as it is written. One thread.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trust {

using MetricLabels = std::vector<std::pair<std::string_view, std::string>>;

class Figures {
 public:
  template <typename Number>
  void one(std::string_view name, std::string_view kind, std::string_view help, Number value) {
    family(name, kind, help);
    sample(name, std::string_view(), value);
  }
  void family(std::string_view name, std::string_view kind, std::string_view help) {
    text_ += "# HELP " + std::string(name) + ' ' + std::string(help) + "\n# TYPE " +
             std::string(name) + ' ' + std::string(kind) + '\n';
  }
  // `labels`: with their braces, or nothing.
  template <typename Number>
  void sample(std::string_view name, std::string_view labels, Number value) {
    text_ += name;
    text_ += labels;
    text_ += ' ' + std::to_string(value) + '\n';
  }
  template <typename Number>
  void sample(std::string_view name, const MetricLabels& labels, Number value) {
    sample(name, std::string_view(written(labels)), value);
  }
  std::string take() { return std::move(text_); }

 private:
  // A value may hold anything: backslash, quote and line feed are escaped, as the form says.
  static std::string written(const MetricLabels& labels) {
    std::string text = "{";
    for (const auto& [name, value] : labels) {
      if (text.size() > 1) text += ',';
      text += std::string(name) + "=\"";
      for (const char c : value) {
        if (c == '\n') {
          text += "\\n";
          continue;
        }
        if (c == '"' || c == '\\') text += '\\';
        text += c;
      }
      text += '"';
    }
    return text + '}';
  }

  std::string text_;
};

} // namespace trust
