"""Every RPC that the generated code declares."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import llmchat

from libs.common.rpc.method import Method, read_methods


def every_method() -> list[Method]:
    """The methods of all services, by their paths; a new RPC is among them by itself."""
    found = []
    for folder in llmchat.__path__:
        for path in sorted(Path(folder).rglob("*_service_pb2.py")):
            name = ".".join(("llmchat", *path.relative_to(folder).with_suffix("").parts))
            services = import_module(name).DESCRIPTOR.services_by_name.values()
            found += [method for service in services for method in read_methods(service)]
    return sorted(found, key=lambda method: method.path)
