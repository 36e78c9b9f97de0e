"""Runs this one service."""

from libs.common.main import serve
from services.operations.bootstrap import bootstrap

if __name__ == "__main__":
    serve({"operations": bootstrap})
