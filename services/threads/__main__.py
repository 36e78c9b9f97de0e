"""Runs this one service."""

from libs.common.main import serve
from services.threads.bootstrap import bootstrap

if __name__ == "__main__":
    serve({"threads": bootstrap})
