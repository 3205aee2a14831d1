/* Atomic operations of the stand-in: compare-and-swap loops, reported to the checker as atomic accesses. */
#include "simt.h"

#include "checker.h"

namespace simt
{

template <class T> static T atomic_update(T *target, T value, int op, T compare)
{
    typedef typename std::conditional<sizeof(T) == 4, unsigned, unsigned long long>::type Bits;
    if (checker.on) checker.access(target, sizeof(T), true, true, __builtin_return_address(0));
    Bits *bits = (Bits *)target, old = __atomic_load_n(bits, __ATOMIC_RELAXED), desired;
    T before, after;
    do {
        memcpy(&before, &old, sizeof before);
        switch (op) {
        case SIMT_ADD: after = before + value; break;
        case SIMT_MAX: after = before > value ? before : value; break;
        case SIMT_MIN: after = before < value ? before : value; break;
        case SIMT_EXCHANGE: after = value; break;
        case SIMT_CAS: after = before == compare ? value : before; break;
        default: /* SIMT_BIT_OR */
            memcpy(&desired, &value, sizeof value);
            desired |= old;
            memcpy(&after, &desired, sizeof after);
        }
        memcpy(&desired, &after, sizeof after);
    } while (!__atomic_compare_exchange_n(bits, &old, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return before;
}

} // namespace simt

extern "C" {
float simt_atomic_f32(float *p, float v, int op)
{
    return simt::atomic_update(p, v, op, 0.0f);
}
double simt_atomic_f64(double *p, double v, int op)
{
    return simt::atomic_update(p, v, op, 0.0);
}
int simt_atomic_s32(int *p, int v, int op, int compare)
{
    return simt::atomic_update(p, v, op, compare);
}
unsigned simt_atomic_u32(unsigned *p, unsigned v, int op, unsigned compare)
{
    return simt::atomic_update(p, v, op, compare);
}
unsigned long long simt_atomic_u64(unsigned long long *p, unsigned long long v, int op, unsigned long long compare)
{
    return simt::atomic_update(p, v, op, compare);
}
}
