"""Whose collection it is: whoever creates one, or trusts it, signs its identity in its database.

Settings that lie in a collection's folder say what its programs may take and reach. They are believed only where the
collection bears this user's signature: an archive from somebody else may hold any.
"""

from __future__ import annotations

from indexers import signing
from indexers.catalogue.snapshot import Snapshot

PREFIX = "signed by "
"""What settings with signatures begin with; the name of the key follows."""


def sign_identity(identity: str) -> dict[str, str]:
    """Return the setting that shows that this user has created or trusted the collection of that identity."""
    key = signing.get_key()
    # a derived file's text begins with a brace: no signature of one is good for the other
    text = f"owner of the collection {identity}".encode("utf-8", "surrogatepass")
    return {PREFIX + key.name: signing.sign(key, text, ())}


def is_own(snapshot: Snapshot, identity: str) -> bool:
    """Return True if this user has created or trusted the collection."""
    [(name, signature)] = sign_identity(identity).items()
    found = snapshot.setting(name)
    return isinstance(found, str) and signing.matches(signature, found)
