#include "libtrust/handles.h"

namespace trust {

bool openssl_had_no_memory() noexcept {
  // The first or the last: between them is what was made of it on the way.
  return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ||
         ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

ErrorQueueAside::ErrorQueueAside() {
  const char* file = nullptr;
  int line = 0;
  const char* function = nullptr;
  const char* text = nullptr;
  int flags = 0;
  try {
    while (const auto code = ERR_peek_error_all(&file, &line, &function, &text, &flags)) {
      items_.push_back({code, file, line, function, (flags & ERR_TXT_STRING) != 0 ? text : ""});
      ERR_get_error();
    }
  } catch (...) {
    put_back();
    throw;
  }
}

ErrorQueueAside::~ErrorQueueAside() {
  ERR_clear_error();
  put_back();
}

void ErrorQueueAside::put_back() noexcept {
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
