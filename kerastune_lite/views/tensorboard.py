"""TensorBoard: a view that keeps a log of each trial, with its scalars and the records of the HParams plugin.

What the log of a trial has to hold follows from the study alone (`records_of`). After each event the records that are
missing are appended; where the log holds others, as that of a trial that is begun again, it is written anew. So a
resumed search doubles nothing, and finds out from the files themselves what they lack.

A log is a folder with event files, which are TFRecords of `Event` messages. TensorFlow writes them by
`tf.io.TFRecordWriter`, without an operation, so that no GPU is taken and no random state touched.
"""

from __future__ import annotations

import struct
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastune_lite.study import Study
from kerastune_lite.study.events import EpochEnded, Event, SearchBegun, SearchEnded, TrialBegun, TrialEnded
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.views.hparams_records import END_TAG, PLUGIN, START_TAG, Status, session_end, session_start

FOLDER = "tensorboard"
"""Where logs are kept in a study's directory, unless another place is given."""
SUFFIX = ".kerastune_lite"
"""How the names of the files end that this view writes, and may remove."""

_STATUSES = {
    TrialState.COMPLETED: Status.SUCCESS,
    TrialState.STOPPED: Status.SUCCESS,
    TrialState.FAILED: Status.FAILURE,
    TrialState.INTERRUPTED: Status.UNKNOWN,
}


@dataclass(frozen=True)
class Record:
    """One entry of a log: a scalar, or a record of the HParams plugin.

    Attributes:
        tag: Its name.
        step: The epoch, from 0.
        content: A number, or the bytes of the plugin's record.
    """

    tag: str
    step: int
    content: float | bytes


def records_of(trial: Trial, score_name: str) -> dict[str, list[Record]]:
    """What the logs of a trial hold, by their folders below the trial's own: "." for its first run.

    The parameters come first, then the metrics of each epoch that the trial trained itself, then its score and its end.
    Of a trial that has neither trained nor ended it isn't known yet which parameters it has.
    """
    logs = {
        _run_folder(run): [
            record for epoch, logs in enumerate(curve) if epoch >= trial.first_epoch for record in _scalars(epoch, logs)
        ]
        for run, curve in enumerate(trial.curves)
    }
    has_ended = trial.state is not TrialState.RUNNING
    if not has_ended and not logs:
        return {}
    started = 0.0 if trial.started is None else trial.started.timestamp()
    own = [Record(START_TAG, 0, session_start(trial.values, started)), *logs.get(".", ())]
    if has_ended and trial.score is not None:
        own.append(Record(f"score/{score_name}", trial.best_epoch or 0, trial.score))
    if has_ended:
        ended = started if trial.ended is None else trial.ended.timestamp()
        own.append(Record(END_TAG, 0, session_end(_STATUSES[trial.state], ended)))
    return {**logs, ".": own}


def trial_folder(number: int) -> str:
    """The name of a trial's folder."""
    return f"trial-{number:04d}"


def _run_folder(run: int) -> str:
    return "." if run == 0 else f"run-{run}"


def _scalars(epoch: int, logs: Mapping[str, float]) -> list[Record]:
    return [Record(name, epoch, value) for name, value in logs.items()]


_Entry = tuple[int, bytes]
"""A step, and the Summary message of one value."""
_DAMAGED: _Entry = (-1, b"")
_NO_MESSAGE = b"\xff"
"""Bytes that protobuf refuses."""


class TensorBoard:
    """A view that writes what TensorBoard shows.

    A log that can't be written ends no search: it is left as it is, with a warning.

    Args:
        directory: Where the logs are kept, in a folder with the name of the study's directory, so that several studies
            can be compared; None for the folder "tensorboard" of the study's directory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._logs: dict[Path, _Log] = {}
        self._epochs: dict[int, list[int]] = {}
        self._is_broken = False

    def __call__(self, event: Event, study: Study) -> None:
        """Brings the logs of the trials up to date that an event is about."""
        if self._is_broken:
            return
        try:
            self._show(event, study)
        except Exception as error:
            self._is_broken = True
            warnings.warn(f"The logs for TensorBoard can't be written any more: {error}", RuntimeWarning, stacklevel=2)

    def _show(self, event: Event, study: Study) -> None:
        match event:
            case SearchBegun():
                self._take_over(study)
            case EpochEnded() if self._is_next(event):
                self._epochs[event.trial][event.run] += 1
                self._log_of(study, event.trial, event.run).append(_scalars(event.epoch, event.logs))
            case TrialBegun() | EpochEnded() | TrialEnded():
                self._bring_up_to_date(study.trial(event.trial), study)
            case SearchEnded():
                for log in self._logs.values():
                    log.close()

    def _take_over(self, study: Study) -> None:
        """Mends the logs that earlier searches left, and removes those of trials that the study doesn't have."""
        directory = self._directory_of(study)
        wanted = {trial_folder(number) for number in study.records}
        for folder in directory.glob("trial-*"):
            if folder.name not in wanted:
                for log in [folder, *folder.glob("run-*")]:
                    self._log(log).hold([])
        for trial in study.trials:
            self._bring_up_to_date(trial, study)

    def _is_next(self, event: EpochEnded) -> bool:
        """Whether the log lacks nothing but this epoch, so that the others needn't be looked at."""
        epochs = self._epochs.get(event.trial, [])
        return event.run < len(epochs) and epochs[event.run] == event.epoch

    def _bring_up_to_date(self, trial: Trial, study: Study) -> None:
        folder = self._directory_of(study) / trial_folder(trial.number)
        records = records_of(trial, study.objective.name if study.objective else "score")
        of_earlier_attempts = [run.name for run in folder.glob("run-*")]
        names = dict.fromkeys([".", *records, *of_earlier_attempts])
        for name in names:
            self._log(folder / name).hold(records.get(name, []))
        self._epochs[trial.number] = [len(curve) for curve in trial.curves]
        if trial.state is not TrialState.RUNNING:
            del self._epochs[trial.number]
            for name in names:
                self._logs.pop(folder / name).close()  # a study may have more trials than a process may have open files

    def _log_of(self, study: Study, number: int, run: int) -> _Log:
        return self._log(self._directory_of(study) / trial_folder(number) / _run_folder(run))

    def _directory_of(self, study: Study) -> Path:
        if self._directory is None:
            return study.directory / FOLDER
        return self._directory / study.directory.resolve().name

    def _log(self, folder: Path) -> _Log:
        return self._logs.setdefault(folder, _Log(folder))


class _Log:
    """The event files of one folder.

    Args:
        folder: The folder; it is made when there is something to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[_Entry] | None = None
        self._writer: Any = None

    def hold(self, records: Sequence[Record]) -> None:
        """Appends what the log lacks of the records; where it holds something else, it is written anew."""
        held = self._known()
        if held != [_entry(record) for record in records[: len(held)]]:
            self.close()
            for path in _files(self._folder):
                path.unlink()
            held.clear()
        self.append(records[len(held) :])

    def append(self, records: Sequence[Record]) -> None:
        """Appends records to the log."""
        held = self._known()
        for record in records:
            entry = _entry(record)
            self._write(*entry)
            held.append(entry)
        if self._writer is not None:
            self._writer.flush()

    def _known(self) -> list[_Entry]:
        """What the log holds."""
        if self._held is None:
            self._held = list(_read(self._folder))
        return self._held

    def close(self) -> None:
        """Closes the file that is written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, step: int, summary: bytes) -> None:
        import tensorflow as tf

        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard reads the files of a folder in the order of their names.
            path = self._folder / f"events.out.tfevents.{time.time_ns():020d}{SUFFIX}"
            self._writer = tf.io.TFRecordWriter(str(path))
            version = tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2")
            self._writer.write(version.SerializeToString())
        event = tf.compat.v1.Event(wall_time=time.time(), step=step)
        event.summary.ParseFromString(summary)
        self._writer.write(event.SerializeToString())


def _entry(record: Record) -> _Entry:
    """A record as files hold it."""
    import tensorflow as tf

    summary = tf.compat.v1.Summary()
    if isinstance(record.content, bytes):
        value = summary.value.add(tag=record.tag)
        value.metadata.plugin_data.plugin_name = PLUGIN
        value.metadata.plugin_data.content = record.content
        # The plugin reads the metadata alone; a value has to have a tensor.
        value.tensor.dtype = tf.float32.as_datatype_enum
        value.tensor.tensor_shape.dim.add(size=0)
    else:
        summary.value.add(tag=record.tag, simple_value=record.content)
    return record.step, summary.SerializeToString(deterministic=True)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"events.out.tfevents.*{SUFFIX}"))


def _read(folder: Path) -> Iterator[_Entry]:
    """What the event files of a folder hold; of a damaged record an entry that equals no other."""
    import tensorflow as tf

    for path in _files(folder):
        for data in _tf_records(path.read_bytes()):
            try:
                event = tf.compat.v1.Event.FromString(data)
            except Exception:  # protobuf's DecodeError
                yield _DAMAGED
                continue
            if event.HasField("summary"):
                yield event.step, event.summary.SerializeToString(deterministic=True)


def _tf_records(data: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file: each is its length (8 bytes), a checksum (4), the bytes, and a checksum (4).

    What a crash has left of a last one is a record too, which is no message.
    """
    start = 0
    while start < len(data):
        (length,) = struct.unpack("<Q", data[start : start + 8].ljust(8, b"\xff"))
        end = start + 12 + length
        yield data[start + 12 : end] if end + 4 <= len(data) else _NO_MESSAGE
        start = end + 4
