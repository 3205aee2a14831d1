/* Reads fat binaries and the cubins in them: see cubin.h. */
#include "cubin.h"

#include "engine.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>

namespace simt
{

/* ------------------------------------------------------------------ containers ------------------------------------- */

struct ContainerHeader {
    uint32_t magic;
    uint16_t version, header_bytes;
    uint64_t entries_bytes;
};
struct EntryHeader {
    uint16_t kind, version;
    uint32_t header_bytes;
    uint64_t payload_bytes; /* with padding */
    uint32_t compressed_bytes, options_offset;
    uint16_t minor, major;
    uint32_t architecture, name_offset, name_bytes;
    uint64_t flags, reserved, plain_bytes;
};
static_assert(sizeof(ContainerHeader) == 16 && sizeof(EntryHeader) == 64, "the containers' layout");
enum { CONTAINER_MAGIC = 0xba55ed50, KIND_PTX = 1, KIND_CUBIN = 2, FLAG_LZ4 = 0x2000, FLAG_ZSTD = 0x8000 };

static std::string unpack_zstd(const char *packed, size_t packed_bytes, size_t plain_bytes)
{
    typedef size_t (*Decompress)(void *to, size_t capacity, const void *from, size_t bytes);
    static Decompress decompress = [] {
        void *library = dlopen("libzstd.so.1", RTLD_LAZY | RTLD_LOCAL);
        return library ? (Decompress)dlsym(library, "ZSTD_decompress") : nullptr;
    }();
    if (!decompress) fail("a compressed cubin, and no libzstd.so.1: install libzstd1 or build with nvcc --no-compress");
    std::string plain(plain_bytes, '\0');
    size_t written = decompress(&plain[0], plain_bytes, packed, packed_bytes);
    if (written != plain_bytes) fail("a cubin that libzstd cannot unpack");
    return plain;
}

/* A block: (token, literals, offset of a match) again and again; lengths of 15 go on in further bytes. */
static std::string unpack_lz4(const unsigned char *from, size_t packed_bytes, size_t plain_bytes)
{
    const unsigned char *end = from + packed_bytes;
    std::string plain;
    plain.reserve(plain_bytes);
    auto length = [&](size_t low) {
        for (unsigned char more = 255; low >= 15 && more == 255 && from < end; low += more) more = *from++;
        return low;
    };
    while (from < end) {
        unsigned token = *from++;
        size_t literals = length(token >> 4);
        if (literals > (size_t)(end - from)) break;
        plain.append((const char *)from, literals);
        from += literals;
        if (end - from < 2) break;
        size_t distance = from[0] | (size_t)from[1] << 8;
        from += 2;
        size_t match = length(token & 15) + 4;
        if (distance == 0 || distance > plain.size() || plain.size() + match > plain_bytes) break;
        for (size_t i = 0; i < match; i++) plain += plain[plain.size() - distance];
    }
    if (plain.size() != plain_bytes) fail("a cubin that is no LZ4 block");
    return plain;
}

/* ------------------------------------------------------------------ cubins ----------------------------------------- */

/* Attributes of .nv.info sections: format, number, then 16 bits of value or of length. */
enum {
    FORMAT_LONG = 4,
    ATTRIBUTE_MAX_THREADS = 0x05,
    ATTRIBUTE_REQUIRED_THREADS = 0x10,
    ATTRIBUTE_FRAME_BYTES = 0x11,
    ATTRIBUTE_PARAMETER_BYTES = 0x19,
    ATTRIBUTE_REGISTERS = 0x2f,
};

class Cubin
{
  public:
    Cubin(const char *bytes, size_t count, int architecture) : bytes(bytes), count(count), architecture(architecture)
    {
        header = at<Elf64_Ehdr>(0);
        if (memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_shentsize != sizeof(Elf64_Shdr))
            fail("a cubin that is no ELF file");
        names = section(header->e_shstrndx)->sh_offset;
    }

    void read(FatBinary &binary)
    {
        for (unsigned i = 0; i < header->e_shnum; i++) {
            const Elf64_Shdr *s = section(i);
            std::string name = at<char>(names + s->sh_name);
            if (s->sh_type == SHT_SYMTAB) symbols = s;
            if (name == ".nv.info") read_info(s, [&](int a, unsigned, const uint32_t *v, size_t n) { note_global(a, v, n); });
            else if (!name.compare(0, 9, ".nv.info.")) read_kernel(s, found[name.substr(9)]);
            else if (!name.compare(0, 11, ".nv.shared.")) shared[name.substr(11)] = s->sh_size;
        }
        for (auto &entry : found) {
            KernelLimits &limits = entry.second;
            limits.architecture = architecture;
            auto bytes_of = shared.find(entry.first);
            /* from sm_90 on the section starts with 1024 bytes that the driver keeps for itself */
            const size_t reserved = architecture >= 90 ? 1024 : 0;
            if (bytes_of != shared.end() && bytes_of->second > reserved) limits.static_shared_bytes = bytes_of->second - reserved;
            for (auto &facts : globals)
                if (symbol_name(facts.first) == entry.first) {
                    limits.registers = facts.second.registers;
                    limits.local_bytes = facts.second.frame_bytes;
                }
            if (limits.registers == 0) fail("no register count for kernel %s of sm_%d", entry.first.c_str(), architecture);
            binary.kernels[entry.first].push_back(limits);
        }
    }

  private:
    struct Facts {
        int registers = 0;
        size_t frame_bytes = 0;
    };
    const char *bytes;
    size_t count;
    int architecture;
    const Elf64_Ehdr *header;
    uint64_t names;
    const Elf64_Shdr *symbols = nullptr;
    std::map<std::string, KernelLimits> found;
    std::map<std::string, size_t> shared;
    std::map<uint32_t, Facts> globals; /* by symbol */

    template <class T> const T *at(uint64_t offset) const
    {
        if (offset > count || sizeof(T) > count - offset) fail("a cubin that ends too early");
        return (const T *)(bytes + offset);
    }
    const Elf64_Shdr *section(unsigned index) const
    {
        return at<Elf64_Shdr>(header->e_shoff + (uint64_t)index * sizeof(Elf64_Shdr));
    }
    std::string symbol_name(uint32_t index) const
    {
        if (!symbols) return "";
        const Elf64_Sym *symbol = at<Elf64_Sym>(symbols->sh_offset + (uint64_t)index * sizeof(Elf64_Sym));
        return at<char>(section(symbols->sh_link)->sh_offset + symbol->st_name);
    }

    /* visit(attribute, short value, words, count of words) */
    template <class Visit> void read_info(const Elf64_Shdr *s, Visit visit) const
    {
        for (uint64_t i = s->sh_offset, end = s->sh_offset + s->sh_size; i + 4 <= end;) {
            const unsigned char *head = (const unsigned char *)at<uint32_t>(i);
            unsigned value = head[2] | (unsigned)head[3] << 8;
            bool is_long = head[0] == FORMAT_LONG;
            const uint32_t *words = is_long && value >= 4 ? at<uint32_t>(i + 4) : nullptr;
            if (is_long && i + 4 + value > count) fail("a cubin's .nv.info section ends too early");
            visit(head[1], is_long ? 0 : value, words, words ? value / 4 : 0);
            i += 4 + (is_long ? value : 0);
        }
    }
    void note_global(int attribute, const uint32_t *words, size_t n)
    {
        if (n < 2) return;
        if (attribute == ATTRIBUTE_REGISTERS) globals[words[0]].registers = (int)words[1];
        if (attribute == ATTRIBUTE_FRAME_BYTES) globals[words[0]].frame_bytes = words[1];
    }
    void read_kernel(const Elf64_Shdr *s, KernelLimits &limits) const
    {
        read_info(s, [&](int attribute, unsigned value, const uint32_t *words, size_t n) {
            if (attribute == ATTRIBUTE_MAX_THREADS && n >= 3) std::copy(words, words + 3, limits.bound);
            if (attribute == ATTRIBUTE_REQUIRED_THREADS && n >= 3) std::copy(words, words + 3, limits.required);
            if (attribute == ATTRIBUTE_PARAMETER_BYTES) limits.parameter_bytes = value;
        });
    }
};

FatBinary read_fat_binary(const void *data)
{
    FatBinary binary;
    const ContainerHeader *container = (const ContainerHeader *)data;
    if (container->magic != CONTAINER_MAGIC) fail("a fat binary with magic %08x", container->magic);
    const char *entry = (const char *)data + container->header_bytes, *end = entry + container->entries_bytes;
    while (entry + sizeof(EntryHeader) <= end) {
        const EntryHeader *e = (const EntryHeader *)entry;
        const char *payload = entry + e->header_bytes;
        if (e->kind == KIND_PTX) binary.ptx.push_back((int)e->architecture);
        if (e->kind == KIND_CUBIN) {
            binary.cubins.push_back((int)e->architecture);
            std::string plain;
            if (e->flags & FLAG_ZSTD) plain = unpack_zstd(payload, e->compressed_bytes, e->plain_bytes);
            else if (e->flags & FLAG_LZ4) plain = unpack_lz4((const unsigned char *)payload, e->compressed_bytes, e->plain_bytes);
            bool packed = !plain.empty();
            Cubin(packed ? plain.data() : payload, packed ? plain.size() : e->payload_bytes, (int)e->architecture).read(binary);
        }
        entry = payload + e->payload_bytes;
    }
    return binary;
}

} // namespace simt
