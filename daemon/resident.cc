#include "daemon/resident.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace trust {
namespace {

// Code that nobody wrote into is what its file holds, and can be dropped at any time.
int release_code(dl_phdr_info* object, std::size_t, void*) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0 || (segment.p_flags & PF_W) != 0)
      continue;
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    const std::uintptr_t from = begin / page * page;
    ::madvise(reinterpret_cast<void*>(from), begin + segment.p_memsz - from, MADV_DONTNEED);
  }
  return 0;
}

// Relocations in code would be lost with its pages.
int has_text_relocations(dl_phdr_info* object, std::size_t, void*) noexcept {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object->dlpi_addr + segment.p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry)
      if (entry->d_tag == DT_TEXTREL ||
          (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0))
        return 1;
  }
  return 0;
}

} // namespace

void release_idle_memory() noexcept {
  ::malloc_trim(0);
  static const bool untouched = ::dl_iterate_phdr(has_text_relocations, nullptr) == 0;
  if (untouched) ::dl_iterate_phdr(release_code, nullptr);
}

} // namespace trust
