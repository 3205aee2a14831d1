/* FNV-1a, 64 bits: for tables, fingerprints and checksums. Every step is a bijection of the hash for a given byte, so no single
 * changed byte goes unseen. Not for what somebody might want to collide. */
#ifndef SA_CORE_HASH_H
#define SA_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SA_HASH_START UINT64_C(0xcbf29ce484222325)

/* The hash of all bytes so far, and `count` more. */
static inline uint64_t sa_hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0; i < count; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The same for the eight bytes of a number, the lowest first. */
static inline uint64_t sa_hash_number(uint64_t hash, uint64_t number)
{
    for (int byte = 0; byte < 8; byte++) hash = (hash ^ (number >> 8 * byte & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

static inline uint64_t sa_hash_text(const char *text)
{
    return sa_hash_bytes(SA_HASH_START, text, strlen(text));
}

#endif
