# A caching allocator, simplified: what is freed is kept as a block of its size; a request takes the smallest free block that is large
# enough, whole; if there is none, the device is asked for a new one, in multiples of 512 bytes. Takes a placement's rows
# (id,lower,upper,size) in order of their begin and prints what was asked of the device in all.
#
#   awk -F, -f docs/lesson/caching.awk plan.csv
NR == 1 { next }
{ n++; lower[n] = $2; upper[n] = $3; size[n] = $4; order[n] = n }
END {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && lower[order[j]] < lower[order[j - 1]]; j--) { swap = order[j]; order[j] = order[j - 1]; order[j - 1] = swap }
    for (i = 1; i <= n; i++) {
        b = order[i]
        best = 0
        for (k = 1; k <= blocks; k++)
            if (busy_until[k] <= lower[b] && bytes[k] >= size[b] && (!best || bytes[k] < bytes[best])) best = k
        if (!best) {
            best = ++blocks
            bytes[best] = 512 * int((size[b] + 511) / 512)
            total += bytes[best]
        }
        busy_until[best] = upper[b]
    }
    printf "%.0f\n", total
}
