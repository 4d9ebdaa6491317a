#include "libtrust/handles.h"

namespace trust {

ErrorQueueAside::ErrorQueueAside() {
  const char* file = nullptr;
  int line = 0;
  const char* function = nullptr;
  const char* text = nullptr;
  int flags = 0;
  while (const auto code = ERR_get_error_all(&file, &line, &function, &text, &flags)) {
    items_.push_back({code, file, line, function, (flags & ERR_TXT_STRING) != 0 ? text : ""});
  }
}

ErrorQueueAside::~ErrorQueueAside() {
  ERR_clear_error();
  for (const Item& item : items_) {
    ERR_new();
    ERR_set_debug(item.file.c_str(), item.line, item.function.c_str());
    if (item.text.empty()) {
      ERR_set_error(ERR_GET_LIB(item.code), ERR_GET_REASON(item.code), nullptr);
    } else {
      ERR_set_error(ERR_GET_LIB(item.code), ERR_GET_REASON(item.code), "%s", item.text.c_str());
    }
  }
}

} // namespace trust
