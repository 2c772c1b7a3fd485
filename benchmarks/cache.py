"""What the cache is worth: the second extraction of the same faces against the first, and one picture more.

Whole processes on FER2013 faces, start of the program, decoding and writing of the bank included. ``describe`` is the
time to describe the faces in one process without a cache, ``read`` the time to get the same vectors from it: what the
cache saves where all else is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import fer_csv, fer_faces, in_turn, save
from hybridfer.bank.cache import FeatureCache, content_key
from hybridfer.descriptors import create_descriptor

SPECS = {
    "gabor": 5000,
    "gabor:size=128": 2000,
    "gabor:size=224": 500,
    "resnet18@layer3:seed=0,size=48,untrained=true": 5000,
    "resnet18@layer4:seed=0,size=224,untrained=true": 1000,
}


def run(table: Path, spec: str, out: Path, folder: Path) -> float:
    """Return the seconds of one extraction."""
    command = [sys.executable, "-m", "hybridfer", "extract", str(table), "-f", spec, "-o", str(out), "--overwrite"]
    os.sync()  # or a run would wait for what the one before it wrote to reach the disk
    start = time.perf_counter()
    subprocess.run([*command, "--quiet"], check=True, env={**os.environ, "HYBRIDFER_CACHE": str(folder)})
    return time.perf_counter() - start


def main() -> None:
    """Measure and save."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        lines = fer_csv(work).read_text().splitlines(keepends=True)
        for number, (spec, count) in enumerate(SPECS.items()):
            cache = work / f"cache{number}"
            table, more = work / "some.csv", work / "more.csv"
            table.write_text("".join(lines[: count + 1]))
            more.write_text("".join([lines[0], lines[count + 1], *lines[1 : count + 1]]))
            first = run(table, spec, work / "a.parquet", cache)
            second = run(table, spec, work / "b.parquet", cache)
            added = run(more, spec, work / "c.parquet", cache)
            kept = FeatureCache(cache)
            descriptor = create_descriptor(spec)
            faces = list(fer_faces(count)[0])
            rgb = [face[:, :, None].repeat(3, axis=2) for face in faces]
            keys = [content_key(crop) for crop in rgb]
            row = {
                "spec": descriptor.spec,
                "faces": count,
                "cacheable": descriptor.cacheable,
                "first_seconds": round(first, 2),
                "second_seconds": round(second, 2),
                "one_more_seconds": round(added, 2),
                "first_over_second": round(first / second, 1),
            }
            if not descriptor.cacheable:
                kept.put(descriptor, keys, descriptor.describe_batch(rgb))
            times = in_turn(
                {
                    "describe": lambda d=descriptor, c=rgb: [
                        d.describe_batch(c[i : i + 256]) for i in range(0, len(c), 256)
                    ],
                    "read": lambda d=descriptor, k=keys, c=kept: [
                        c.get(d, k[i : i + 256]) for i in range(0, len(k), 256)
                    ],
                },
                3,
            )
            row |= {f"{k}_ms_a_face": round(v / count * 1e3, 4) for k, v in times.items()}
            row["describe_over_read"] = round(times["describe"] / times["read"], 1)
            rows.append(row)
            print(json.dumps(row), file=sys.stderr)
    save("cache", {"rows": rows})


if __name__ == "__main__":
    main()
