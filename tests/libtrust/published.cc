#include "tests/libtrust/published.h"

#include <fcntl.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "libtrust/certificate.h"
#include "libtrust/file.h"
#include "libtrust/page_file.h"

namespace trust::testing {

namespace fs = std::filesystem;

Published read_generation(const std::string& directory, bool exact) {
  constexpr std::size_t kMost = 1 << 28;
  const auto manifest = nlohmann::json::parse(read_file(directory + "/MANIFEST.json", kMost));
  Published published;
  published.store_id = manifest.at("store_id");
  published.generation = manifest.at("generation");
  published.audit_head = manifest.at("audit_head");
  for (const auto& [name, digest] : manifest.at("files").items()) {
    std::string bytes = read_file(directory + "/" + name, kMost);
    if (hex(sha256({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})) !=
        digest.get<std::string>())
      throw std::runtime_error(directory + ": " + name + " has another digest");
    published.files[name] = std::move(bytes);
  }
  if (!exact) return published;
  for (auto each = fs::recursive_directory_iterator(
           directory, fs::directory_options::follow_directory_symlink);
       each != fs::recursive_directory_iterator(); ++each) {
    if (each->is_directory()) continue;
    const std::string name = each->path().string().substr(directory.size() + 1);
    if (name != "MANIFEST.json" && !published.has(name))
      throw std::runtime_error(directory + ": " + name + " is not listed");
    if ((each->status().permissions() & fs::perms::mask) != fs::perms(0444))
      throw std::runtime_error(directory + ": " + name + " has another mode");
  }
  return published;
}

Published read_published(const std::string& store, bool exact) {
  return read_generation(store + "/" + fs::read_symlink(store + "/current").string(), exact);
}

void set_form(const std::string& path, int form) {
  fs::permissions(path, fs::perms(0644));
  {
    Database db = amend_page_file(path);
    db.run(("PRAGMA user_version = " + std::to_string(form)).c_str());
  }
  const Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) throw std::runtime_error("cannot open " + path);
  seal_page_file(file.get(), path);
  fs::permissions(path, fs::perms(0444));
}

std::size_t count_certificates(const std::string& pem) {
  constexpr std::string_view kBegin = "\n-----BEGIN CERTIFICATE-----\n";
  const std::string text = "\n" + pem;
  std::size_t count = 0;
  for (std::size_t at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at + 1))
    ++count;
  return count;
}

} // namespace trust::testing
