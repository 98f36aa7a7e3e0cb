#!/usr/bin/env python3
"""docs/settings.py EXHIBIT: writes the table of settings into README.md, between its two markers.

EXHIBIT is the binary; its hidden verb `settings` prints the table from the code.
"""

import pathlib
import subprocess
import sys

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    readme = pathlib.Path(__file__).resolve().parent.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        print(f"{readme}: expected {BEGIN} and then {END}, once each", file=sys.stderr)
        return 1
    command = [sys.argv[1], "settings"]
    table = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
