"""What the client makes of what it is given and told."""

from __future__ import annotations

import dataclasses
from datetime import date

import httpx
import numpy as np
import pytest
from PIL import Image

from indexers import errors
from retrieval.client.http import (
    NotAllowed,
    PageBeyondLast,
    ServerFault,
    build_error,
    encode_clusters,
    encode_filter,
    encode_json,
    find_error_class,
    quote_path,
    quote_segment,
    read_picture,
    to_list,
)
from retrieval.records.clusters import Cluster, Partition
from tests.support.serving import make_png


def read_problem(status: int, kind: str | None = None) -> errors.NearkinError:
    problem = {"type": f"urn:nearkin:{kind}", "detail": "why"}
    return build_error(httpx.Response(status, json=problem) if kind else httpx.Response(status, text="<html>"))


@pytest.mark.parametrize(
    ("status", "kind", "error_class"),
    [
        (404, "item-not-found", errors.ItemNotFound),
        (503, "writer-busy", errors.WriterBusy),
        (404, "job-not-found", errors.NotFound),
        (400, "page-beyond-last", PageBeyondLast),
        (413, "too-much", errors.PictureTooLarge),
        (422, "bad-request", errors.UsageError),
        (401, "no-token", NotAllowed),
        (403, "reads-only", NotAllowed),
        (503, "too-many-jobs", errors.Unavailable),
        (500, "fault", ServerFault),
        (502, None, ServerFault),
        (404, None, errors.NotFound),
    ],
)
def test_problems_become_the_errors_of_the_library(status: int, kind: str | None, error_class: type) -> None:
    assert type(read_problem(status, kind)) is error_class


def test_what_is_sent_of_a_picture() -> None:
    assert read_picture(make_png("red")) == make_png("red")
    assert read_picture(Image.new("RGB", (4, 3))).startswith(b"\x89PNG")
    assert read_picture(np.zeros((3, 4, 3), np.uint8)).startswith(b"\x89PNG")
    with pytest.raises(errors.BadQuery, match="a picture is"):
        read_picture(7)
    with pytest.raises(errors.UnreadablePicture):
        read_picture("no\0where")


def test_small_things() -> None:
    assert to_list(np.ones(2, np.float32)) == [1.0, 1.0]
    assert (encode_filter(None), encode_filter({"a": 1})) == (None, '{"a": 1}')
    assert quote_segment("a/../b?c") == "a%2F..%2Fb%3Fc"
    assert quote_path("onnx:/a b.onnx") == "onnx%3A/a%20b.onnx"


def test_clusters_are_sent_by_id_by_name_and_as_records() -> None:
    partition, cluster = Partition(7, 1, 1, (), 1.0), Cluster(3, None, 1, None, None, (), 1, (), 1.0)
    assert encode_clusters(None) is None
    assert encode_clusters(3) == encode_clusters(np.int64(3)) == encode_clusters(cluster) == [3]
    assert encode_clusters("boats") == ["boats"]
    assert encode_clusters([1, "boats", partition, cluster]) == [1, "boats", {"partition": 7}, 3]
    assert encode_clusters({2}) == encode_clusters((2,)) == [2]
    with pytest.raises(errors.BadQuery, match="no id"):
        encode_clusters(dataclasses.replace(cluster, id=None))


def test_errors_are_known_by_name() -> None:
    assert find_error_class("bad-query") is errors.BadQuery
    assert find_error_class("job-not-found") is None


def test_numbers_of_numpy_are_sent_and_what_json_lacks_is_named() -> None:
    assert (
        encode_json({"n": np.int64(3), "x": np.float32(0.5), "all": np.arange(2)})
        == '{"n": 3, "x": 0.5, "all": [0, 1]}'
    )
    with pytest.raises(errors.UsageError, match="can't be sent to a server: JSON holds no date"):
        encode_json({"taken": date(2020, 1, 1)})
