// C++'s own allocations, told from those of C: what is ours among all that fail.
#include <cstdlib>
#include <new>

#include "tests/capi/fault_malloc.h"

void* operator new(std::size_t size) {
  if (fault_of_new() == 0) {
    if (void* const memory = fault_safe_malloc(size)) return memory;
  }
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
