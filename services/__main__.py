"""The embedded way: all five services in one process, on one port."""

from libs.common.main import serve
from services.catalog.bootstrap import bootstrap as catalog
from services.messages.bootstrap import bootstrap as messages
from services.operations.bootstrap import bootstrap as operations
from services.threads.bootstrap import bootstrap as threads
from services.users.bootstrap import bootstrap as users

EMBEDDED = {
    "users": users,
    "threads": threads,
    "messages": messages,
    "catalog": catalog,
    "operations": operations,
}

if __name__ == "__main__":
    serve(EMBEDDED)
