"""The members of the plug-in families by name: embedders, vector indices, clusterers, classifiers, finders.

Built-in members and those of other distributions are found in the same way: by an entry point, loaded on first use.

A name may carry an argument after a colon: `timm:resnet26d` is the member `timm`, whose class returns from
`parse_argument("resnet26d")` the settings that the argument stands for. Such a name is used like any other.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from indexers.errors import BadSetting, MissingPackage, UnknownPlugin

BUILT_IN = {
    "nearkin.embedders": {
        "lite0": "indexers.embedders.lite0:Lite0",
        "classic": "indexers.embedders.classic:Classic",
        "tiny": "indexers.embedders.tiny:Tiny",
        "clip": "indexers.embedders.clip:Clip",
        "transformers": "indexers.embedders.transformers:Transformers",
        "alexnet": "indexers.embedders.torchvision:AlexNet",
        "vgg16": "indexers.embedders.torchvision:VGG16",
        "vgg19": "indexers.embedders.torchvision:VGG19",
        "inception_v3": "indexers.embedders.torchvision:InceptionV3",
        "resnet18": "indexers.embedders.torchvision:ResNet18",
        "resnet34": "indexers.embedders.torchvision:ResNet34",
        "resnet50": "indexers.embedders.torchvision:ResNet50",
        "resnet101": "indexers.embedders.torchvision:ResNet101",
        "resnet152": "indexers.embedders.torchvision:ResNet152",
        "torchvision": "indexers.embedders.torchvision:TorchVision",
        "timm": "indexers.embedders.timm:Timm",
        "onnx": "indexers.embedders.onnx:Onnx",
    },
    "nearkin.vectors": {
        "hnsw": "indexers.vectors.hnsw:Hnsw",
        "exact": "indexers.vectors.exact:Exact",
        "usearch": "indexers.vectors.usearch:Usearch",
        "faiss": "indexers.vectors.faiss:Faiss",
        "rabitq": "indexers.vectors.rabitq:Rabitq",
        "auto": "indexers.vectors.auto:Auto",
        "pgvector": "indexers.vectors.pgvector:Pgvector",
    },
    "nearkin.clusterers": {
        "agglomeration": "indexers.clusterers.agglomeration:GraphAgglomeration",
        "deep": "indexers.clusterers.deep:Deep",
        "density": "indexers.clusterers.density:Density",
        "evoc": "indexers.clusterers.evoc:Evoc",
        "genetic": "indexers.clusterers.genetic:Genetic",
        "hdbscan": "indexers.clusterers.hdbscan:Hdbscan",
        "hierarchical": "indexers.clusterers.hierarchical:Hierarchical",
        "hvae": "indexers.clusterers.hvae:Hvae",
        "kmeans": "indexers.clusterers.kmeans:KMeans",
        "partitions": "indexers.clusterers.incremental_kmeans.estimator:IncrementalKMeans",
        "sampled": "indexers.clusterers.sampled:Sampled",
    },
    "nearkin.classifiers": {
        "centroid": "indexers.classifiers.centroid:Centroid",
        "forest": "indexers.classifiers.forest:Forest",
        "knn": "indexers.classifiers.knn:Knn",
        "logistic": "indexers.classifiers.logistic:Logistic",
        "svm": "indexers.classifiers.svm:Svm",
        "tree": "indexers.classifiers.tree:Tree",
    },
    "nearkin.finders": {
        "frames": "indexers.finders.stills:Frames",
        "pages": "indexers.finders.stills:Pages",
        "regions": "indexers.finders.regions:Regions",
        "subject": "indexers.finders.subject:Subject",
        "tiles": "indexers.finders.tiles:Tiles",
    },
}

SUBSTITUTES = {
    ("nearkin.vectors", "hnsw"): ("hnswlib", "usearch"),
    ("nearkin.vectors", "rabitq"): ("rabitqlib", "usearch"),
}
"""Members whose package is not for every machine: that package, and the member that serves in their place without it.
hnswlib needs a compiler; rabitqlib has wheels for Linux, Windows and macOS 14 on Arm.
"""


@cache
def find_members(group: str) -> dict[str, EntryPoint]:
    """Return all members of a family by name. A built-in name can't be taken by another distribution."""
    own = {name: EntryPoint(name, value, group) for name, value in BUILT_IN[group].items()}
    return {point.name: point for point in entry_points(group=group)} | own


def load_member(group: str, name: str) -> Any:
    """Return the class of that name. With an argument in the name, return a factory of instances instead, with the
    settings that the argument stands for unless others are passed.

    Raises UnknownPlugin with the names that exist, MissingPackage if what it needs is not installed, BadSetting for an
    argument that the class does not take.
    """
    point, argument = find_member(group, name), name.partition(":")[2]
    try:
        member = point.load()
    except MissingPackage:  # which says itself what to do
        raise
    except ImportError as error:
        raise MissingPackage(f"{name!r} needs the package {error.name!r}, which is not installed: {error}") from error
    if not argument:
        return member
    if not hasattr(member, "parse_argument"):
        raise BadSetting(f"{point.name!r} takes no argument after a colon; got {name!r}")
    return partial(member, **member.parse_argument(argument))


def find_serving_name(group: str, name: str) -> str:
    """Return the name of the member that serves under `name`: another one if a package of SUBSTITUTES is missing."""
    package, substitute = SUBSTITUTES.get((group, name), ("", ""))
    return substitute if package and find_spec(package) is None else name


def find_member(group: str, name: str) -> EntryPoint:
    """Return the entry point of that name, its argument left out. Raises UnknownPlugin with the names that exist."""
    name = find_serving_name(group, name.partition(":")[0])
    built_in = BUILT_IN[group].get(name)
    if built_in:  # no scan of the installed distributions for a name of our own
        return EntryPoint(name, built_in, group)
    point = find_members(group).get(name)
    if point is None:
        family = group.removeprefix("nearkin.")
        names = ", ".join(sorted(find_members(group)))
        raise UnknownPlugin(f"there is no {family.removesuffix('s')} {name!r}; there are: {names}")
    return point
