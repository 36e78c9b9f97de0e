"""Runs this one service."""

from libs.common.main import serve
from services.catalog.bootstrap import bootstrap

if __name__ == "__main__":
    serve({"catalog": bootstrap})
