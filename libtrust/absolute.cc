#include "libtrust/absolute.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

#include "libtrust/error.h"

namespace trust {
namespace {

std::string working_directory(std::string_view asked) {
  std::string name(PATH_MAX, '\0');
  if (::getcwd(name.data(), name.size()) == nullptr)
    throw system_error("cannot find the directory that " + shown(asked) + " is in", errno);
  name.resize(name.find('\0'));
  return name;
}

} // namespace

std::string absolute_path(std::string_view path) {
  const std::string whole =
      path.starts_with('/') ? std::string(path) : working_directory(path) + '/' + std::string(path);
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin < whole.size();) {
    const std::size_t end = std::min(whole.find('/', begin), whole.size());
    const std::string_view part = std::string_view(whole).substr(begin, end - begin);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  std::string normal;
  for (const std::string_view part : parts) normal.append("/").append(part);
  return normal.empty() ? "/" : normal;
}

} // namespace trust
