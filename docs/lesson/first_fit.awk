# An allocator that does not know what comes: takes a placement's rows (id,lower,upper,size) and gives each buffer, when it begins, the
# lowest free addresses. Prints how high it comes. This is what an allocator does at run time that keeps what it has and splits freely.
#
#   awk -F, -f docs/lesson/first_fit.awk plan.csv
NR == 1 { next }
{ n++; lower[n] = $2; upper[n] = $3; size[n] = $4; order[n] = n }
END {
    for (i = 2; i <= n; i++) # by their begin, ties in the file's order
        for (j = i; j > 1 && lower[order[j]] < lower[order[j - 1]]; j--) { swap = order[j]; order[j] = order[j - 1]; order[j - 1] = swap }
    for (i = 1; i <= n; i++) {
        b = order[i]
        do { # the lowest address at which nothing alive is in the way
            moved = 0
            for (j = 1; j < i; j++) {
                o = order[j]
                if (upper[o] > lower[b] && offset[o] < offset[b] + size[b] && offset[b] < offset[o] + size[o]) { offset[b] = offset[o] + size[o]; moved = 1 }
            }
        } while (moved)
        if (offset[b] + size[b] > height) height = offset[b] + size[b]
    }
    printf "%.0f\n", height
}
