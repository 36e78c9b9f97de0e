"""What stands in for MongoDB: SecantusDB, a server of its own over MongoDB's storage engine, with its wire protocol.

`python -m tests.standins.mongodb_server OPTION…` takes the options of `secantusd-py`. Where it is known to differ from
what MongoDB documents:

- It refuses `readConcern` in a `bulkWrite` that begins a transaction, where every command may have it. It is mended
  here: what it then does is what a snapshot asks for.
- What it remembers of writes that may be repeated is in its memory: after it was killed, a repeat of a write whose
  answer was lost is done again, where MongoDB's replica set knows it.
- An acknowledged write is on the disk only with `--sync-on-commit`, whatever write concern asks for it.
- There is one server and no election.
"""

from __future__ import annotations

import sys

from secantus import commands
from secantus.cli import main

if __name__ == "__main__":
    commands._BULK_WRITE_KNOWN_FIELDS |= {"readConcern"}
    sys.exit(main())
