"""Dividing a machine among its workers."""

from __future__ import annotations

import pytest

from kerastune_lite.execution.processes.machine import environments


def test_cores_are_shared_equally_and_each_worker_gets_one_at_least():
    assert [share["TF_NUM_INTRAOP_THREADS"] for share in environments(2, cores=8, given={})] == ["4", "4"]
    assert [share["OMP_NUM_THREADS"] for share in environments(3, cores=2, given={})] == ["1", "1", "1"]


def test_a_number_of_threads_that_the_user_has_set_stays():
    share = environments(2, cores=8, given={"OMP_NUM_THREADS": "1"})[0]

    assert share["OMP_NUM_THREADS"] == "1"
    assert share["TF_NUM_INTRAOP_THREADS"] == "4"


def test_each_worker_sees_one_gpu_and_takes_all_of_it():
    shares = environments(2, cores=8, gpus=["0", "GPU-7f"], given={})

    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["0", "GPU-7f"]
    assert all("TF_FORCE_GPU_ALLOW_GROWTH" not in share for share in shares)


def test_workers_that_share_a_gpu_take_memory_as_they_need_it():
    shares = environments(4, cores=8, gpus=["0", "1"], trials_per_gpu=2, given={})

    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["0", "1", "0", "1"]
    assert all(share["TF_FORCE_GPU_ALLOW_GROWTH"] == "true" for share in shares)


def test_more_workers_than_places_on_the_gpus_are_refused():
    with pytest.raises(ValueError, match=r"workers=3 are more than 2 GPUs take with trials_per_gpu=1"):
        environments(3, cores=8, gpus=["0", "1"], given={})
