// A core for gcc >= 13 and binutils >= 2.40 for Xtensa: XTENSA_GNU_CONFIG=core.so xtensa-lx106-elf-gcc ...
// The ESP32-S3's LX7 as far as a compiler needs it: windowed, little-endian, single-precision FPU, 32x32->64 products. How its
// instructions are encoded comes from QEMU's source package, the table of the core de233_fpu; what that core lacks, MULUH and MULSH,
// is added here.
//   gcc -O1 -shared -fPIC -w -I qemu/target/xtensa -I qemu/include -o core.so core.c
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#define ATTRIBUTE_UNUSED
#include "core-de233_fpu/xtensa-modules.c.inc"

int plugin_is_GPL_compatible; // gcc asks for it

// struct xtensa_config_v1..v4 of include/xtensa-dynconfig.h: ints in this order
const int xtensa_config_v1[] = {
    0,              // big endian
    1, 0, 1, 1, 1,  // density, const16, abs, addx, l32r
    0, 0,           // absolute literals, literals in .text
    1, 1, 1, 1, 1,  // mac16, mul16, mul32, mul32 high, div32
    1, 1, 1, 1, 1,  // nsa, minmax, sext, loops, threadptr
    1, 1, 1,        // release sync, s32c1i, booleans
    1, 1, 1, 1, 1, 1,  // fp, its div, recip, sqrt, rsqrt, post-increment
    0, 0, 0, 0, 0,  // double precision and its parts
    1, 64,          // windowed, address registers
    0, 0,           // wide branches, predicted branches
    0, 0, 4, 16, 2, 4, 0,  // caches: sizes, line sizes, their log2, write back
    0, 1,           // mmu, smallest page
    1, 2, 2, 6,     // debug, ibreaks, dbreaks, level
    3, 4,           // longest instruction of the table above, fetch width
    0, 0, 1,        // the ABI: windowed; its number, call0's
};
const int xtensa_config_v2[] = {0, 270012, 270012};  // stage of M, march latest and earliest
const int xtensa_config_v3[] = {1, 0, 0, 0};         // clamps, depbits, exclusive, xea3
const int xtensa_config_v4[] = {16, 1, 1, 0, 0};     // data width; unaligned loads and stores: never emitted

const char *const xtensa_config_strings[] = {NULL};     // macros __XCHAL_... that gcc defines: libgcc alone wants them

static void encode_muluh(xtensa_insnbuf b) { b[0] = 0xa20000; }
static void encode_mulsh(xtensa_insnbuf b) { b[0] = 0xb20000; }
static xtensa_opcode_encode_fn muluh_fns[] = {encode_muluh, 0, 0}, mulsh_fns[] = {encode_mulsh, 0, 0};

enum { OPCODES = sizeof(opcodes) / sizeof(opcodes[0]) };
static xtensa_opcode_internal more[OPCODES + 2];
static xtensa_opcode_decode_fn decode_before;

static int decode(const xtensa_insnbuf b) {
    switch (b[0] & 0xff000f) {
        case 0xa20000: return OPCODES;
        case 0xb20000: return OPCODES + 1;
    }
    return decode_before(b);
}

__attribute__((constructor)) static void extend(void) {
    memcpy(more, opcodes, sizeof(opcodes));
    more[OPCODES] = more[OPCODES + 1] = opcodes[OPCODE_MULL];
    more[OPCODES].name = "muluh";
    more[OPCODES].encode_fns = muluh_fns;
    more[OPCODES + 1].name = "mulsh";
    more[OPCODES + 1].encode_fns = mulsh_fns;
    xtensa_modules.opcodes = more;
    xtensa_modules.num_opcodes = OPCODES + 2;
    decode_before = slots[0].opcode_decode_fn;  // slot 0: 24-bit instructions
    slots[0].opcode_decode_fn = decode;
}
