"""The client: a collection that a server holds, with the methods of `Collection`.

`client` has the class `Client`, `http` what a request and its errors look like. Needs `pip install 'nearkin[client]'`.
"""

from __future__ import annotations

from retrieval.client.client import Client

__all__ = ["Client"]
