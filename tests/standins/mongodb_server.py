"""What stands in for MongoDB: SecantusDB, a server of its own over MongoDB's storage engine, with its wire protocol.

`python -m tests.standins.mongodb_server OPTION…` takes the options of `secantusd-py`. As `docs/engines.md` asks for, it
ends the transactions of who has died after 5 seconds. Where it is known to differ from what MongoDB documents:

- It refuses `readConcern` in a `bulkWrite` that begins a transaction, where every command may have it. It is mended
  here: what it then does is what a snapshot asks for.
- What it remembers of writes that may be repeated is in its memory: after it was killed, a repeat of a write whose
  answer was lost is done again, where MongoDB's replica set knows it.
- An acknowledged write is on the disk only with `--sync-on-commit`, whatever write concern asks for it.
- There is one server and no election.
"""

from __future__ import annotations

import sys
from functools import partial

from secantus import cli, commands
from secantus.server import SecantusDBServer

_TRANSACTION_LIFETIME = 5.0  # seconds

if __name__ == "__main__":
    commands._BULK_WRITE_KNOWN_FIELDS |= {"readConcern"}
    cli.SecantusDBServer = partial(SecantusDBServer, transaction_lifetime_seconds=_TRANSACTION_LIFETIME)
    sys.exit(cli.main())
