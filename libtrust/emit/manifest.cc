#include "libtrust/emit/manifest.h"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::string_view kFiles = ",\n\"files\": {";

void append_hex(std::string& text, ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
}

} // namespace

ManifestWriter::ManifestWriter(Sink sink, const SnapshotHeader& header) : sink_(std::move(sink)) {
  const nlohmann::ordered_json head{{"store_id", header.store_id},
                                    {"generation", header.generation},
                                    {"created_at", rfc3339(header.created_at)},
                                    {"audit_head", header.audit_head}};
  std::string text = head.dump();
  text.pop_back(); // it goes on
  text += kFiles;
  sink_(text);
}

void ManifestWriter::file(std::string_view name, const Digest& digest) {
  line_.assign(first_ ? "\n\"" : ",\n\"");
  first_ = false;
  line_ += name;
  line_ += "\": \"";
  append_hex(line_, digest);
  line_ += '"';
  sink_(line_);
}

void ManifestWriter::end() { sink_("\n}}\n"); }

std::optional<SnapshotHeader> read_manifest_head(std::string_view beginning) {
  const std::size_t files = beginning.find(kFiles);
  if (files == std::string_view::npos) return std::nullopt;
  const auto json =
      nlohmann::json::parse(std::string(beginning.substr(0, files)) + "}", nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {
    SnapshotHeader header;
    header.store_id = json.at("store_id").get<std::string>();
    header.generation = json.at("generation").get<GenerationNumber>();
    header.created_at = parse_time(json.at("created_at").get<std::string>());
    header.audit_head = json.at("audit_head").get<std::string>();
    return header;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

ManifestReader::ManifestReader(int fd) : fd_(fd) {
  std::string first;
  std::string second;
  if (!line(first) || !line(second)) return;
  header_ = read_manifest_head(first + '\n' + second);
}

// Without its LF; false at the end, or for a line that no manifest has.
bool ManifestReader::line(std::string& into) {
  constexpr std::size_t kMostLine = 4096;
  constexpr std::size_t kPiece = std::size_t{64} << 10;
  for (;;) {
    const std::size_t end = buffer_.find('\n', at_);
    if (end != std::string::npos) {
      into.assign(buffer_, at_, end - at_);
      at_ = end + 1;
      return true;
    }
    if (buffer_.size() - at_ > kMostLine) return false;
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + kPiece);
    const ssize_t count = ::read(fd_, buffer_.data() + before, kPiece);
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0 || (count < 0 && errno != EINTR)) return false;
  }
}

bool ManifestReader::next(std::string& name, Digest& digest) {
  std::string text;
  if (!header_ || !line(text)) return false;
  if (text == "}}") {
    whole_ = buffer_.size() == at_;
    return false;
  }
  if (text.ends_with(',')) text.pop_back();
  constexpr std::string_view kBetween = "\": \"";
  const std::size_t hex = 2 * digest.size();
  if (text.size() < 2 + kBetween.size() + hex || !text.starts_with('"') || !text.ends_with('"')) {
    return false;
  }
  const std::size_t name_size = text.size() - 2 - kBetween.size() - hex;
  if (text.compare(1 + name_size, kBetween.size(), kBetween) != 0) return false;
  const std::string_view digits =
      std::string_view(text).substr(1 + name_size + kBetween.size(), hex);
  const auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = value(digits[2 * i]);
    const int low = value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  name.assign(text, 1, name_size);
  return true;
}

} // namespace trust
