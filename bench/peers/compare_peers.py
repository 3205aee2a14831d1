"""Prints the table of a comparison with other frameworks.

    compare_peers.py RESULTS      a file of JSON lines, each `segarena bench --json`'s document, a peer's line or what Caffe allocates

Several rounds of the same row become their median. Ratios are the peer's figure over ours: above 1, we need less. Caffe's figure
is planned, not measured: what its layers allocate for the net.
"""
import json
import os
import statistics
import sys


def read_rows(path):
    """{(net, strategy): {"step_ms": [...], ...}} in the order of the file, ours marked; {net: bytes that Caffe allocates}."""
    rows, caffe = {}, {}
    with open(path) as lines:
        for line in filter(str.strip, lines):
            document = json.loads(line)
            if "caffe_total_bytes" in document:
                caffe[document["net"]] = document["caffe_total_bytes"]
                continue
            for result in document.get("results", [document]):
                net = os.path.splitext(os.path.basename(result["net"]))[0]
                row = rows.setdefault((net, result["strategy"]), {"ours": "measured_bytes" in result})
                for key in ("step_ms", "step_cpu_ms", "rss_over_base_bytes"):
                    if result.get(key) is not None:
                        row.setdefault(key, []).append(result[key])
    return rows, caffe


def median(row, key):
    return statistics.median(row[key]) if key in row else float("nan")


def main():
    rows, caffe = read_rows(sys.argv[1])
    for net in dict.fromkeys(key[0] for key in rows):
        ours = {name: row for (of, name), row in rows.items() if of == net and row["ours"]}
        peers = {name: row for (of, name), row in rows.items() if of == net and not row["ours"]}
        print(f"\n{net:<34} {'step ms':>10} {'cpu ms':>10} {'MiB over base':>14}")
        for name, row in {**ours, **peers}.items():
            print(f"  {name:<32} {median(row, 'step_ms'):10.1f} {median(row, 'step_cpu_ms'):10.1f} "
                  f"{median(row, 'rss_over_base_bytes') / 2**20:14.1f}")
        if net in caffe:
            print(f"  {'Caffe, planned':<32} {'':10} {'':10} {caffe[net] / 2**20:14.1f}")
        if len(ours) > 1 and "step_cpu_ms" in ours.get("fastest", {}):
            for name, row in ours.items():
                if name != "fastest":
                    print(f"  {name} / fastest: cpu time {median(row, 'step_cpu_ms') / median(ours['fastest'], 'step_cpu_ms'):.2f}")
        # The best layout of each peer counts.
        for version in sorted({name.rsplit(" ", 1)[0] for name in peers}):
            layouts = [row for name, row in peers.items() if name.rsplit(" ", 1)[0] == version]
            for name, row in ours.items():
                ratio = {key: min(median(peer, key) for peer in layouts) / median(row, key)
                         for key in ("step_ms", "step_cpu_ms", "rss_over_base_bytes")}
                print(f"  {version} (best layout) / {name}: time {ratio['step_ms']:.2f}, cpu time {ratio['step_cpu_ms']:.2f}, "
                      f"memory {ratio['rss_over_base_bytes']:.2f}")


if __name__ == "__main__":
    main()
