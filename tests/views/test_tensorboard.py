"""The logs for TensorBoard: what they hold, that nothing is doubled in them, and that the real server reads them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest
import tensorflow as tf

from kerastune_lite import GridSearch, Hyperband, Objective, RandomSearch
from kerastune_lite.study.events import EpochEnded, ParametersKnown, SearchBegun, SearchEnded, TrialBegun, TrialEnded
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import TrialFailure, TrialPlan, TrialState
from kerastune_lite.views.hparams_records import Status, session_end, session_start
from kerastune_lite.views.tensorboard import TensorBoard

LOSS = Objective("val_loss", "min")


class Played:
    """A study whose events a TensorBoard view is shown, as a search would."""

    def __init__(self, directory, study=None):
        self.view = TensorBoard()
        self.study = study or Study(directory, LOSS, 0)
        self.show(SearchBegun())

    def show(self, *events):
        for event in events:
            if not isinstance(event, (SearchBegun, SearchEnded)):
                self.study = self.study.after(event)
            self.view(event, self.study)
        return self

    def trial(self, number, losses=(0.5,), score=0.5, state=TrialState.COMPLETED, **fields):
        values = {"units": 8}
        self.show(TrialBegun(trial=number, values={}), ParametersKnown(trial=number, values=values))
        self.show(*(epoch(number, place, loss) for place, loss in enumerate(losses)))
        return self.show(TrialEnded(trial=number, state=state, values=values, score=score, **fields))


def epoch(number, place, loss, run=0):
    return EpochEnded(trial=number, epoch=place, run=run, logs={"val_loss": loss})


def logged(directory):
    """What the event files below a directory hold: of each folder the tags, steps and numbers in their order."""
    held = {}
    for path in sorted(Path(directory).rglob("*tfevents*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                number = value.simple_value if value.HasField("simple_value") else None
                held.setdefault(path.parent.name, []).append((value.tag, event.step, number))
    return held


START, END = ("_hparams_/session_start_info", 0, None), ("_hparams_/session_end_info", 0, None)


def test_a_trial_has_its_parameters_its_epochs_its_score_and_its_end(tmp_path):
    Played(tmp_path).trial(0, (0.75, 0.5), best_epoch=1)

    assert logged(tmp_path) == {
        "trial-0000": [START, ("val_loss", 0, 0.75), ("val_loss", 1, 0.5), ("score/val_loss", 1, 0.5), END]
    }


def test_a_trial_that_failed_has_an_end_and_no_score(tmp_path):
    error = TrialFailure(type="ValueError", message="no")
    Played(tmp_path).trial(0, (), None, TrialState.FAILED, error=error)

    assert logged(tmp_path) == {"trial-0000": [START, END]}


def test_a_search_that_is_resumed_appends_what_is_missing_and_doubles_nothing(tmp_path):
    played = Played(tmp_path).trial(0)
    played.show(TrialBegun(trial=1, values={}), epoch(1, 0, 0.25), epoch(1, 1, 0.125))
    before = logged(tmp_path)
    files = sorted(tmp_path.rglob("*tfevents*"))

    resumed = Played(tmp_path, played.study)
    assert logged(tmp_path) == before
    assert sorted(tmp_path.rglob("*tfevents*")) == files

    resumed.trial(1, (0.25, 0.5), 0.25)
    assert logged(tmp_path)["trial-0001"] == [
        START,
        ("val_loss", 0, 0.25),
        ("val_loss", 1, 0.5),
        ("score/val_loss", 0, 0.25),
        END,
    ]
    assert logged(tmp_path)["trial-0000"] == before["trial-0000"]


def test_a_log_that_was_torn_or_garbled_is_mended_and_that_of_an_earlier_study_is_removed(tmp_path):
    played = Played(tmp_path)
    for number in range(4):
        played.trial(number, (0.5, 0.25))
    whole = logged(tmp_path)
    torn, garbled, _, obsolete = sorted(tmp_path.rglob("*tfevents*"))
    torn.write_bytes(torn.read_bytes()[:-30])
    data = bytearray(garbled.read_bytes())
    data[-100:-60] = b"\xff" * 40
    garbled.write_bytes(data)
    (obsolete.parent / "events.out.tfevents.1.of-a-callback").touch()
    study = Study(tmp_path, LOSS, 0, records={number: played.study.records[number] for number in range(3)})

    Played(tmp_path, study)

    assert logged(tmp_path) == {name: held for name, held in whole.items() if name != "trial-0003"}
    assert [path.name for path in obsolete.parent.iterdir()] == ["events.out.tfevents.1.of-a-callback"]


def test_a_log_that_is_asked_for_late_has_the_earlier_trials_too(tmp_path):
    study = Played(tmp_path / "elsewhere").trial(0).study

    Played(tmp_path / "here", Study(tmp_path / "here", LOSS, 0, records=study.records))

    assert logged(tmp_path / "here") == logged(tmp_path / "elsewhere")


def test_studies_that_share_a_directory_keep_their_own_logs(tmp_path):
    def training(hp):
        return float(hp.choice("a", [1, 2]))

    for name in ("one", "two", "one"):
        GridSearch(training, directory=tmp_path / name, verbose=0, tensorboard=tmp_path / "logs").search()

    logs = sorted(path.parent.relative_to(tmp_path / "logs").as_posix() for path in tmp_path.rglob("*tfevents*"))
    assert logs == ["one/trial-0000", "one/trial-0001", "two/trial-0000", "two/trial-0001"]


def test_runs_have_folders_of_their_own_which_a_new_attempt_clears(tmp_path):
    played = Played(tmp_path).show(TrialBegun(trial=0, values={"units": 8}))
    played.show(epoch(0, 0, 0.5), epoch(0, 0, 0.25, run=1), epoch(0, 1, 0.125, run=1))
    assert logged(tmp_path) == {
        "trial-0000": [START, ("val_loss", 0, 0.5)],
        "run-1": [("val_loss", 0, 0.25), ("val_loss", 1, 0.125)],
    }

    played.show(TrialBegun(trial=0, values={"units": 8}, attempt=2))
    assert logged(tmp_path) == {}


def test_a_trial_that_goes_on_after_a_pause_has_one_score_at_its_end(tmp_path):
    played = Played(tmp_path).trial(0, (0.5,), state=TrialState.STOPPED)
    plan = TrialPlan(epochs=2, resumed_from=0, resumed_at=1)
    played.show(TrialBegun(trial=0, values={"units": 8}, plan=plan), epoch(0, 1, 0.25))
    played.show(TrialEnded(trial=0, state=TrialState.COMPLETED, values={"units": 8}, score=0.25, best_epoch=1))

    assert [tag for tag, *_ in logged(tmp_path)["trial-0000"]] == [
        START[0],
        "val_loss",
        "val_loss",
        "score/val_loss",
        END[0],
    ]


def test_a_log_that_cannot_be_written_is_a_warning_and_ends_no_search(tmp_path):
    (tmp_path / "tensorboard").write_text("in the way")

    with pytest.warns(RuntimeWarning, match="logs for TensorBoard can't be written"):
        played = Played(tmp_path).trial(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played.trial(1)


def test_the_records_of_the_plugin_are_those_that_tensorboard_reads():
    plugin_data_pb2 = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    values = {"units": 128, "rate": -1e-300, "flag": True, "größe": "a" * 300, "none": None, "kernel": (3, 3)}

    start = plugin_data_pb2.HParamsPluginData.FromString(session_start(values, 1.5e9))
    end = plugin_data_pb2.HParamsPluginData.FromString(session_end(Status.FAILURE, 2.5))

    read = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.session_start_info.hparams.items()}
    assert read == {**values, "none": "None", "kernel": "(3, 3)"}
    assert (read["flag"], start.session_start_info.group_name) == (True, "")
    assert start.session_start_info.start_time_secs == 1.5e9
    assert (end.session_end_info.status, end.session_end_info.end_time_secs) == (2, 2.5)


@pytest.mark.parametrize("wrong", [None, 1, ["logs"]])
def test_what_is_neither_a_switch_nor_a_directory_is_refused(wrong):
    with pytest.raises(TypeError, match=r"tensorboard has to be True, False or a directory. Received: "):
        RandomSearch(lambda hp: 1.0, tensorboard=wrong)


class Server:
    """A TensorBoard of its own process on a free port of this machine."""

    def __init__(self, logs):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1"]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [*command, "--port", port, "--reload_interval", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def get(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/data/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def sessions(self, count, score):
        """The sessions of the HParams plugin by their names, once there are so many."""
        columns = [{"metric": {"group": "", "tag": score}}]
        body = {"startIndex": 0, "sliceSize": 100, "colParams": columns, "allowedStatuses": STATUSES}
        deadline = time.monotonic() + 90
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                groups = self.get("plugin/hparams/session_groups", body).get("sessionGroups", [])
                if len(groups) == count or time.monotonic() > deadline:
                    return {session["name"]: (group, session) for group in groups for session in group["sessions"]}
            assert time.monotonic() < deadline, "the server didn't answer"
            assert self.process.poll() is None, "the server ended"
            time.sleep(0.5)


STATUSES = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"]


@pytest.fixture
def serve():
    pytest.importorskip("tensorboard.main")
    servers = []

    def start(logs):
        servers.append(Server(logs))
        return servers[-1]

    yield start
    for server in servers:
        server.process.terminate()
        server.process.wait(timeout=20)


def conditional(hp):
    """A training of its own with a conditional parameter, which fails with one setting."""
    kind = hp.choice("kind", ["adam", "sgd"])
    rate = hp.choice("rate", [0.1, 0.2])
    if kind == "sgd" and hp.boolean("nesterov"):
        raise ValueError("no")
    return {"val_loss": [rate + 1.0, rate]}


@pytest.mark.drill
def test_the_real_server_lists_every_trial_with_its_parameters_and_its_final_score(tmp_path, serve):
    settings = {"directory": tmp_path, "seed": 0, "verbose": 0, "tensorboard": True, "max_failures_in_a_row": 9}
    GridSearch(conditional, "val_loss", max_trials=3, **settings).search()
    study = GridSearch(conditional, "val_loss", **settings).search()

    server = serve(tmp_path / "tensorboard")
    sessions = server.sessions(len(study.trials), "score/val_loss")

    assert len(study.trials) == 6
    for trial in study.trials:
        group, session = sessions[f"trial-{trial.number:04d}"]
        assert group["hparams"] == dict(trial.values)
        scores = [
            metric["value"] for metric in session.get("metricValues", []) if metric["name"]["tag"] == "score/val_loss"
        ]
        assert scores == ([] if trial.score is None else [pytest.approx(trial.score)])
        assert session["status"] == ("STATUS_FAILURE" if trial.score is None else "STATUS_SUCCESS")
        if trial.score is not None:
            points = server.get(f"plugin/scalars/scalars?run=trial-{trial.number:04d}&tag=val_loss")
            assert [point[1:] for point in points] == [
                [step, pytest.approx(logs["val_loss"])] for step, logs in enumerate(trial.curve)
            ]


@pytest.mark.drill
@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_with_keras_logs_the_curves_that_its_study_has(tmp_path, iris, build_iris, workers):
    x, y = iris
    settings = {"directory": tmp_path / "study", "seed": 0, "verbose": 0, "workers": workers}
    tuner = RandomSearch(build_iris, "val_accuracy", max_trials=3, tensorboard=tmp_path / "logs", **settings)
    study = tuner.search(x, y, validation_split=0.2, epochs=2)

    held = logged(tmp_path / "logs")
    for trial in study.trials:
        scalars = [record for record in held[f"trial-{trial.number:04d}"] if record[2] is not None]
        expected = [
            *((name, place, value) for place, logs in enumerate(trial.curve) for name, value in logs.items()),
            ("score/val_accuracy", trial.best_epoch, trial.score),
        ]
        assert scalars == [(name, place, pytest.approx(value)) for name, place, value in expected]


@pytest.mark.drill
def test_trials_that_are_promoted_have_each_epoch_once(tmp_path, iris, build_iris):
    x, y = iris
    settings = {"directory": tmp_path, "seed": 0, "verbose": 0, "tensorboard": True}
    study = Hyperband(build_iris, "val_loss", max_epochs=4, factor=2, **settings).search(x, y, validation_split=0.2)

    held = logged(tmp_path / "tensorboard")
    for trial in study.trials:
        losses = [record for record in held[f"trial-{trial.number:04d}"] if record[0] == "val_loss"]
        assert [step for _, step, _ in losses] == list(range(len(trial.curve)))
