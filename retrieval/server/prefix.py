"""The path below which the app is served: mounted in another app, or behind a proxy.

An app that is mounted below /pictures gets the whole path and is told the prefix in `root_path`. A proxy may pass the
whole path on, or strip the prefix; then the setting `root_path` names what it has stripped. Routes see the same path in
all of these cases, and no answer holds an address from which the prefix is missing.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.types import Scope

from indexers.errors import BadSetting

OWN_SEGMENTS = frozenset({"v1", "static", "docs", "healthz", "readyz", "metrics", "favicon.ico"})
"""The first segments of the app's own paths. A prefix that begins with one can't be told from them."""
SEGMENTS = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def check_root_path(root_path: str) -> None:
    """Raise BadSetting unless this is empty or a path such as /pictures."""
    if not root_path:
        return
    segments = root_path.split("/")
    if not SEGMENTS.fullmatch(root_path) or {".", ".."} & set(segments):
        raise BadSetting(
            f"the root path begins with a slash and ends without one, such as /pictures or /a/b; got {root_path!r}"
        )
    if segments[1] in OWN_SEGMENTS:
        raise BadSetting(f"the root path {root_path!r} begins with /{segments[1]}, a path of the server's own")


def is_below(path: str, prefix: str) -> bool:
    """Return True if the path is the prefix, or continues it with a slash."""
    return path == prefix or path.startswith(prefix + "/")


def locate(scope: Scope, root_path: str) -> Scope:
    """Return the scope of a request with `root_path` set and its path below it, whether or not a proxy has stripped
    the prefix. `root_path`: that of the settings, used where no server and no other app has set one."""
    prefix = (scope.get("root_path") or root_path).rstrip("/")
    path: str = scope["path"]
    if prefix and not is_below(path, prefix):
        outer = scope.get("app_root_path", "").rstrip("/")
        # in a mounted app the proxy has stripped only the prefix of the outer one
        path = outer + path if outer and is_below(outer + path, prefix) else prefix + path
    return {**scope, "root_path": prefix, "path": path}


def find_route_path(scope: Scope) -> str:
    """Return the path without the prefix: the one that routes are named by."""
    return str(scope["path"][len(scope["root_path"]) :])


def make_relative(location: str, path: str) -> str:
    """Return the address of a redirect that adds or removes a slash at the end of `path`, relative to that path: it
    holds whatever a proxy has stripped, and names neither a host nor a scheme."""
    parts = urlsplit(location)
    last = parts.path.rstrip("/").rpartition("/")[2]
    target = ("../" if path.endswith("/") else "./") + last + ("/" if parts.path.endswith("/") else "")
    return f"{target}?{parts.query}" if parts.query else target
