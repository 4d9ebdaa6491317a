#include "libtrust/label.h"

#include <algorithm>
#include <array>

#include "libtrust/error.h"

namespace trust {
namespace {

// Words that `trustctl path` means otherwise.
constexpr std::array<std::string_view, 4> kReserved{"bundle", "extra", "hashed", "p12"};

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_inner(char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; }
bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_taken_by_others(std::string_view text) {
  return std::find(kReserved.begin(), kReserved.end(), text) != kReserved.end() ||
         std::all_of(text.begin(), text.end(), is_hex_digit);
}

// The form alone: characters and length.
const char* form_fault(std::string_view text) {
  if (text.empty()) return "it is empty";
  if (text.size() > kMaxLabelBytes) return "it is longer than 63 characters";
  if (!is_alphanumeric(text.front())) return "it begins with a letter or a digit";
  if (!std::all_of(text.begin(), text.end(), is_inner)) {
    return "it has lower-case letters, digits, dots, underscores and hyphens only";
  }
  return nullptr;
}

void trim_end(std::string& text) {
  while (!text.empty() && !is_alphanumeric(text.back())) text.pop_back();
}

// Cut so that `tail` still fits behind it.
std::string cut_for(std::string text, std::string_view tail) {
  if (text.size() > kMaxLabelBytes - tail.size()) text.resize(kMaxLabelBytes - tail.size());
  trim_end(text);
  return text.append(tail);
}

// Made of characters that fit, without the words of others being looked at.
std::string shaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    if (is_inner(small)) {
      if (!out.empty() || is_alphanumeric(small)) out += small;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  return cut_for(std::move(out), "");
}

std::string stem_of(std::string_view file) {
  file = file.substr(file.rfind('/') + 1); // npos + 1 is 0
  const std::size_t dot = file.rfind('.');
  if (dot != std::string_view::npos && dot > 0) file = file.substr(0, dot);
  return std::string(file);
}

std::string shaped_host(const Host& host) {
  // A colon is no character of a label, and "::1" would become a bare "1".
  return shaped((host.address().size() == 16 ? "ipv6-" : "") + host.text());
}

} // namespace

bool is_label(std::string_view text) noexcept {
  return form_fault(text) == nullptr && !is_taken_by_others(text);
}

std::string parse_label(std::string_view text) {
  const auto refuse = [&](const std::string& why) -> std::string {
    const std::string fitted = fitted_label(text);
    throw Error(Code::invalid, '"' + shown(text) + "\" cannot be a label: " + why,
                fitted.empty() ? std::string() : "try --label " + fitted);
  };
  if (const char* fault = form_fault(text)) return refuse(fault);
  if (is_taken_by_others(text)) {
    return refuse(std::find(kReserved.begin(), kReserved.end(), text) != kReserved.end()
                      ? "the word is reserved"
                      : "hex digits alone would be a fingerprint");
  }
  return std::string(text);
}

std::string fitted_label(std::string_view text) {
  std::string label = shaped(text);
  if (label.empty()) return label;
  return is_taken_by_others(label) ? cut_for(std::move(label), "-cert") : label;
}

std::string label_for(const Endpoint& endpoint) {
  constexpr Port kHttps = 443;
  const std::string tail = '-' + std::to_string(endpoint.port);
  const std::string host = shaped_host(endpoint.host);
  const std::string label = endpoint.port == kHttps ? host : cut_for(host, tail);
  if (label.empty()) return "certificate";
  return is_taken_by_others(label) ? cut_for(label, tail) : label;
}

std::string label_for(const Certificate& certificate, std::string_view file) {
  std::string label;
  if (!certificate.dns_names().empty()) label = fitted_label(certificate.dns_names().front());
  if (label.empty() && !certificate.addresses().empty()) {
    label = fitted_label(shaped_host(certificate.addresses().front()));
  }
  if (label.empty()) label = fitted_label(certificate.common_name());
  if (label.empty()) label = fitted_label(stem_of(file));
  return label.empty() ? "certificate" : label;
}

} // namespace trust
