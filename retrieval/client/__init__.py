"""The client: a collection on a server, with the methods of `Collection`. Needs `pip install 'nearkin[client]'`.

- `client`: the class `Client`, put together from `search`, `items`, `clusters`, `corrections`, `duplicates` and `jobs`
- `http`: requests, pictures to send, and errors as the library's own
"""

from __future__ import annotations

from retrieval.client.client import Client

__all__ = ["Client"]
