"""Runs this one service."""

from libs.common.main import serve
from services.users.bootstrap import bootstrap

if __name__ == "__main__":
    serve({"users": bootstrap})
