from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering

from indexers.clusterers import Deep
from indexers.clusterers.steps.networks import (
    Training,
    build_hierarchy,
    copy_to_numpy,
    find_nearest_rows,
    fit_principal_axes,
    run_network,
)

torch = pytest.importorskip("torch", reason="training needs torch")
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.standard_normal((90, 7)).astype(np.float32)


def training(neighbours: np.ndarray, **more: object) -> Training:
    settings = {"device": "cpu", "random_state": 3, "progress": lambda *_: None} | more
    return Training(ROWS, neighbours, **settings)  # type: ignore[arg-type]


def test_numpy_runs_what_torch_trains() -> None:
    one = training(find_nearest_rows(ROWS, 5))
    layers = one.create_network(7, 20, 20, 3)
    np.testing.assert_allclose(
        run_network(copy_to_numpy(layers), ROWS), copy_to_numpy([run_network(layers, one.rows)])[0], atol=1e-5
    )


def test_pairs_are_rows_with_their_neighbours() -> None:
    near = np.tile([[1, 2, -1]], (len(ROWS), 1))
    near[0] = -1
    one = training(near)
    for _ in range(20):
        rows, others = (part.numpy() for part in one.draw_pairs())
        own = (rows == ROWS[0]).all(1)
        assert (others[own] == ROWS[0]).all()
        assert all(any((other == ROWS[place]).all() for place in (1, 2)) for other in others[~own])


def test_training_leaves_the_random_numbers_of_others_alone() -> None:
    state, theirs = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    Deep(3, epochs=2, device="cpu", random_state=0).fit(ROWS)
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(theirs, np.random.get_state()[1])  # type: ignore[arg-type]


def test_progress_is_told() -> None:
    told: list[tuple[int, int, str]] = []
    Deep(3, epochs=4, device="cpu", random_state=0).fit(ROWS, progress=lambda *step: told.append(step))
    assert told[-1][0] == told[-1][1] == max(done for done, _, _ in told)


def test_neighbours_may_be_given() -> None:
    near = find_nearest_rows(ROWS, 5)
    one = Deep(3, n_neighbors=5, epochs=4, device="cpu", random_state=0)
    given, found = one.fit(ROWS, neighbours=near).labels_, one.fit(ROWS).labels_
    np.testing.assert_array_equal(given, found)
    assert len(one.fit(ROWS, neighbours=np.empty((len(ROWS), 0), np.int64)).labels_) == len(ROWS)


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    if device != "abacus" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match=device):
        Deep(3, device=device).fit(ROWS)


def test_principal_components_keep_distances() -> None:
    mean, axes = fit_principal_axes(ROWS)
    seen = (ROWS - mean) @ axes
    assert np.mean(seen**2) == pytest.approx(1, rel=1e-5)
    scale = np.linalg.norm(axes, axis=0)
    np.testing.assert_allclose(scale, scale[0], rtol=1e-5)
    np.testing.assert_allclose(seen @ axes.T / scale[0] ** 2 + mean, ROWS, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1 / 3, 1e6 / 7])
def test_equal_rows_have_no_component(value: float) -> None:
    rows = np.full((60, 5), value, np.float32)
    mean, axes = fit_principal_axes(rows)
    assert ((rows - mean) @ axes == 0).all()


def test_the_tree_is_the_one_of_scikit_learn() -> None:
    found = build_hierarchy(ROWS, 4, 0)
    theirs = AgglomerativeClustering(4, compute_distances=True).fit(ROWS)
    np.testing.assert_array_equal(found.children, theirs.children_)
    np.testing.assert_allclose(found.distances, theirs.distances_)
    assert sorted(set(found.labels.tolist())) == [0, 1, 2, 3]


def test_many_rows_share_leaves() -> None:
    rows = RANDOM.standard_normal((2500, 2)).astype(np.float32)
    found = build_hierarchy(rows, 4, 0)
    assert found.children.shape == (999, 2)
    assert found.leaves.shape == (2500,)
    assert len(build_hierarchy(np.repeat(rows[:9], 300, axis=0), 4, 0).children) == 8
