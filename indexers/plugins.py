"""Name -> class for each family. Built-in members and those of other distributions come through the same door:
an entry point, loaded when it is first asked for.

A name may carry an argument after a colon: `timm:resnet26d` is the member `timm`, and its class says with
`parse_argument("resnet26d")` which settings that stands for. Such a name is used like any other.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from indexers.errors import BadSetting, MissingPackage, UnknownPlugin

BUILT_IN = {
    "nearkin.embedders": {
        "lite0": "indexers.embedders.lite0:Lite0",
        "classic": "indexers.embedders.classic:Classic",
        "tiny": "indexers.embedders.tiny:Tiny",
        "clip": "indexers.embedders.clip:Clip",
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
}


@cache
def members(group: str) -> dict[str, EntryPoint]:
    """All members of a family by name. A built-in name can't be taken by another distribution."""
    own = {name: EntryPoint(name, value, group) for name, value in BUILT_IN[group].items()}
    return {point.name: point for point in entry_points(group=group)} | own


def load(group: str, name: str) -> Any:
    """The class of that name; with an argument in the name, what makes an instance of that class, with these settings
    unless others are given.

    Raises UnknownPlugin with the names there are, MissingPackage if what it needs is not installed, BadSetting for an
    argument that the class does not take.
    """
    point, argument = member(group, name), name.partition(":")[2]
    try:
        found = point.load()
    except MissingPackage:  # which says itself what to do
        raise
    except ImportError as error:
        raise MissingPackage(f"{name!r} needs the package {error.name!r}, which is not installed: {error}") from error
    if not argument:
        return found
    if not hasattr(found, "parse_argument"):
        raise BadSetting(f"{point.name!r} takes no argument after a colon; got {name!r}")
    return partial(found, **found.parse_argument(argument))


def member(group: str, name: str) -> EntryPoint:
    """Where the class of that name (without its argument) is to be found. Raises UnknownPlugin with the names there
    are."""
    name = name.partition(":")[0]
    built_in = BUILT_IN[group].get(name)
    if built_in:  # no scan of the installed distributions for a name of our own
        return EntryPoint(name, built_in, group)
    found = members(group).get(name)
    if found is None:
        family = group.removeprefix("nearkin.")
        known = ", ".join(sorted(members(group)))
        raise UnknownPlugin(f"there is no {family.removesuffix('s')} {name!r}; there are: {known}")
    return found
