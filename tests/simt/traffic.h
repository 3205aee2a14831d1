/* How well a kernel's warps use memory: 32-byte sectors per request of global memory, passes per access of shared memory.
 *
 * The checker hands over every access (check mode) when SA_SIMT_TRAFFIC=FILE is set, `-` is stderr; tests/simt/traffic sets it. The
 * lanes of a warp that reach a place in the source for the nth time since the last barrier make one request. Sectors: those that
 * its lanes touch. Passes: the most words that share one of 32 banks, for each 32 lanes of 4 bytes, 16 of 8 or 8 of 16. "At best"
 * is what as many bytes take side by side. It counts what the source says: caches, and loads that the compiler keeps in registers,
 * are not seen. */
#ifndef SA_SIMT_TRAFFIC_H
#define SA_SIMT_TRAFFIC_H

#include <cstddef>

namespace simt
{

bool counts_traffic();
void note_access(unsigned thread, const void *place, const char *address, unsigned bytes, bool shared);
/* All lanes have come to a barrier, or the block is done: nth counts from the start again. */
void end_traffic_epoch();
void count_launch(const char *kernel);

} // namespace simt
#endif
