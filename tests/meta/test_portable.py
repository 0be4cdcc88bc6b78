"""Nothing needs what POSIX alone has: the main path runs without it, and files that use it are few and known."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.meta.test_architecture import MODULES, ROOT

POSIX_MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "pty", "syslog")
POSIX_NAMES = {
    "os": """sched_getaffinity sched_setaffinity getuid geteuid getgid getegid seteuid setegid setsid getsid killpg
        getpgid setpgid getpgrp fork forkpty wait waitstatus wait3 wait4 WNOHANG nice getloadavg uname sysconf confstr
        statvfs fstatvfs chown fchown lchown fchdir chroot mkfifo mknod pathconf pread pwrite readv writev preadv
        pwritev sendfile posix_fadvise posix_fallocate posix_spawn lockf register_at_fork pipe2 memfd_create
        O_NONBLOCK O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_SYNC O_DSYNC O_NOCTTY""",
    "signal": """SIGKILL SIGHUP SIGUSR1 SIGUSR2 SIGALRM SIGPIPE SIGCHLD SIGQUIT SIGSTOP SIGCONT pthread_sigmask
        pthread_kill sigwait alarm setitimer""",
    "select": "poll epoll kqueue",
    "socket": "AF_UNIX SO_REUSEPORT",
    "time": "tzset clock_settime",
}
"""Names that Windows has not; macOS lacks some of them too."""
GUARDED = {
    "indexers.catalogue.file_lock": {"fcntl"},
    "indexers.catalogue.forks": {"os.register_at_fork"},
    "indexers.catalogue.replacement": {"fcntl"},
    "indexers.catalogue.writer_lock": {"os.register_at_fork"},
    "indexers.devices": {"os.sched_getaffinity"},
    "indexers.files": {"os.O_NOFOLLOW", "os.O_NONBLOCK"},
    "retrieval.duplicates.moving": {"os.pathconf"},
    "indexers.pictures.scan": {"os.O_NOFOLLOW"},
    "indexers.pictures.turns": {"os.register_at_fork"},
    "indexers.pictures.isolation": {"os.readv", "os.writev", "select.poll", "fcntl", "resource"},
}
"""The files that ask first whether the system has it, or say that it has not."""

PACKAGES = (
    *("tempfile", "concurrent.futures.thread", "filelock", "numpy", "PIL.Image", "scipy.sparse"),
    *("sklearn.cluster", "sqlalchemy.dialects.sqlite", "alembic", "hnswlib", "typer.main", "rich.progress"),
)
"""What is loaded before, since it has code of its own for each system."""

WITHOUT = f"""
import errno, importlib, os, select, signal, socket, sys, time, warnings
os.environ["HOME"] = sys.argv[1]
for name in {PACKAGES!r}:
    importlib.import_module(name)
sys.modules["filelock"].FileLock = sys.modules["filelock"].SoftFileLock  # its own lock of this system is of POSIX
open_file, rename = os.open, os.rename

def open_no_folder(path, *options, **named):
    if not isinstance(path, int) and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return open_file(path, *options, **named)

def rename_over_nothing(source, target, **named):
    if os.path.exists(target):
        raise FileExistsError(errno.EEXIST, "File exists", target)
    rename(source, target, **named)

os.open, os.rename = open_no_folder, rename_over_nothing
for module, names in {POSIX_NAMES!r}.items():
    for name in names.split():
        vars(sys.modules[module]).pop(name, None)
for name in {POSIX_MODULES!r}:
    sys.modules[name] = None
windows = sys.modules["msvcrt"] = type(os)("msvcrt")
windows.LK_NBLCK, windows.LK_UNLCK, windows.locking = 2, 0, lambda file, mode, length: None
"""
"""Takes away what Windows has not, and refuses what Windows refuses."""

MAIN_PATH = """
from pathlib import Path
from retrieval import Collection
place, pictures = Path(sys.argv[1]) / "c", sys.argv[2]
with Collection.open(place, create=True, embedder="tiny", save_changes=1) as collection:
    assert collection.add(pictures, metadata={"seen": True}).added == 5
    assert collection.search(os.path.join(pictures, "red.png"), k=1)[0].score > 0.99
    collection.add_vectors(collection.vectors([1])[1][None].repeat(9, axis=0))
    assert len(collection.clusters()) == 1
    assert len(collection.clusters()[0].items()) >= 9
    assert collection.search(item=1, k=1, where={"seen": True}, per_cluster=2)
    assert len(collection.partitions()) >= 1
    assert len(collection.duplicates(compare=False)) == 0
    assert collection.make_clustering("themes", k=2).clusters == 2
    os.unlink(os.path.join(pictures, "blue.png"))
    assert collection.sync(pictures).missing == 1
    assert collection.search(os.path.join(pictures, "red.png"), k=1)[0].thumbnail()
    assert collection.export(place.parent / "items.csv") == 14
    assert collection.verify(repair=True).ok
with Collection.open(place) as collection:
    assert collection.info().repairs == ()
    assert collection.count() == 14
from retrieval.cli.app import main
sys.argv = ["nearkin", "info", "--json", "-c", str(place)]
main()
"""


def test_the_main_path_runs_without_what_only_posix_has(folder: Path, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT + MAIN_PATH, str(tmp_path), str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert '"items": 14' in process.stdout


def test_isolated_decoding_says_that_it_needs_posix(folder: Path, tmp_path: Path) -> None:
    code = """
from retrieval import Collection, Unavailable
with Collection.open(sys.argv[1] + "/c", create=True, embedder="tiny", isolated=1) as collection:
    try:
        collection.add(sys.argv[2])
    except Unavailable as error:
        print(error)
"""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT + code, str(tmp_path), str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "needs a POSIX system; set isolated = 0" in process.stdout


def list_posix_names(module: str) -> set[str]:
    """Return what a file of ours uses that only POSIX has."""
    only_posix = {f"{owner}.{name}" for owner, names in POSIX_NAMES.items() for name in names.split()}
    used: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            used |= {ast.unparse(node)} & only_posix
        elif isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names} & set(POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom):
            used |= ({str(node.module)} & set(POSIX_MODULES)) | (
                {f"{node.module}.{alias.name}" for alias in node.names} & only_posix
            )
        elif isinstance(node, ast.keyword):
            used |= {str(node.arg)} & {"preexec_fn", "pass_fds", "start_new_session"}
    return used


@pytest.mark.parametrize("module", MODULES)
def test_only_files_with_a_guard_use_what_only_posix_has(module: str) -> None:
    assert list_posix_names(module) <= GUARDED.get(module, set())


def test_text_is_read_and_written_in_a_named_encoding() -> None:
    """Windows has another one than UTF-8 where none is named."""
    command = [sys.executable, "-m", "ruff", "check", "--preview", "--select", "PLW1514", "indexers", "retrieval"]
    process = subprocess.run([*command, "migrations"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert process.returncode == 0, process.stdout


WORKFLOW = ROOT / ".github" / "workflows" / "portable.yml"


def test_the_workflow_runs_the_main_tests_on_the_other_systems() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert {"pull_request", "push", "workflow_dispatch"} <= set(workflow[True])  # YAML reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    [job] = workflow["jobs"].values()
    assert set(job["strategy"]["matrix"]["os"]) == {"windows-latest", "macos-latest"}
    assert job["runs-on"] == "${{ matrix.os }}"
    assert job["timeout-minutes"] <= 60
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [action.partition("@")[0] for action in uses] == ["actions/checkout", "actions/setup-python"]
    assert all(action.partition("@")[2] for action in uses)
    lint = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    assert subprocess.run(lint, capture_output=True, text=True, check=False).stdout == "ok -- validation done\n"
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    assert "pip install" in commands
    words = commands.split()
    tests = [word for word in words[words.index("pytest") :] if word.startswith("tests")]
    assert tests
    assert all((ROOT / test).exists() for test in tests)
