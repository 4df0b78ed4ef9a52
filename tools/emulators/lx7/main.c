// The board: console and clock by QEMU's semihosting (SIMCALL), and the REPL. Module sim makes such calls from Python.
#include "py/compile.h"
#include "py/gc.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "shared/runtime/pyexec.h"

#ifndef MP_NORETURN // before 1.26
#define MP_NORETURN NORETURN
#endif

enum { SYS_EXIT = 1, SYS_READ = 3, SYS_WRITE = 4 };

extern char stack_top;
void spill_windows(void);

// ---- what py/ asks of a port

int mp_hal_stdin_rx_chr(void) {
    unsigned char c;
    while (simcall(SYS_READ, 0, (uintptr_t)&c, 1) != 1) {
        simcall(SYS_EXIT, 0, 0, 0); // end of input
    }
    return c;
}

mp_uint_t mp_hal_stdout_tx_strn(const char *s, size_t n) {
    simcall(SYS_WRITE, 1, (uintptr_t)s, n);
    return n;
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    (void)flags;
    return 0;
}

// CCOUNT has 40 MHz of virtual time, so with -icount shift=0 a tick is 25 instructions. It wraps in 107 s: look at it more often.
static uint64_t ticks(void) {
    static uint32_t last;
    static uint64_t total;
    uint32_t now;
    __asm__ volatile("rsr %0, ccount" : "=r"(now));
    total += now - last;
    last = now;
    return total;
}
mp_uint_t mp_hal_ticks_cpu(void) { return (mp_uint_t)ticks(); }
static mp_uint_t since(uint32_t per) { // ticks / per, by 32-bit division
    static uint64_t t;
    t = ticks();
    uint32_t high = (uint32_t)(t >> 16), low = (uint32_t)(t & 0xffff);
    return (high / per << 16) + ((high % per << 16) + low) / per;
}
mp_uint_t mp_hal_ticks_us(void) { return since(40); }
mp_uint_t mp_hal_ticks_ms(void) { return since(40000); }
uint64_t mp_hal_time_ns(void) { return ticks() * 25; }
void mp_hal_delay_us(mp_uint_t us) { for (mp_uint_t t = mp_hal_ticks_us(); mp_hal_ticks_us() - t < us;) {} }
void mp_hal_delay_ms(mp_uint_t ms) { mp_hal_delay_us(ms * 1000); }

void gc_collect(void) {
    gc_collect_start();
    spill_windows(); // every register of callers is now on the stack
    char here;
    char *from = (char *)(((uintptr_t)&here & ~(uintptr_t)3) - 128);
    gc_collect_root((void **)from, (&stack_top - from) / sizeof(void *));
    gc_collect_end();
}

void nlr_jump_fail(void *value) {
    (void)value;
    mp_printf(&mp_plat_print, "uncaught NLR\n");
    simcall(SYS_EXIT, 97, 0, 0);
    for (;;) {}
}

void fatal_exception(unsigned cause, unsigned pc, unsigned address) {
    mp_printf(&mp_plat_print, "exception %u at %x, address %x\n", cause, pc, address);
    simcall(SYS_EXIT, 99, 0, 0);
    for (;;) {}
}

MP_NORETURN void abort(void) {
    fatal_exception(1000, (unsigned)__builtin_return_address(0), 0);
    for (;;) {}
}

int main(void) {
    mp_stack_set_top(&stack_top);
    mp_stack_set_limit(48 * 1024);
    heap_init();
    for (;;) {
        mp_init();
        while ((pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl()) == 0) {
        }
        mp_printf(&mp_plat_print, "MPY: soft reboot\n");
        gc_sweep_all();
        mp_deinit();
    }
}

// ---- module sim: call(number, a, b, c)
static mp_obj_t sim_call(size_t n, const mp_obj_t *args) {
    (void)n;
    uintptr_t words[4];
    for (int i = 0; i < 4; i++) {
        words[i] = mp_obj_get_int_truncated(args[i]);
    }
    return mp_obj_new_int(simcall(words[0], words[1], words[2], words[3]));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(sim_call_obj, 4, 4, sim_call);
static const mp_rom_map_elem_t sim_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_sim) },
    { MP_ROM_QSTR(MP_QSTR_call), MP_ROM_PTR(&sim_call_obj) },
};
static MP_DEFINE_CONST_DICT(sim_globals, sim_table);
const mp_obj_module_t sim_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&sim_globals };
MP_REGISTER_MODULE(MP_QSTR_sim, sim_module);
