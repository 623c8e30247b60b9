"""What TensorFlow says at its start is kept from a terminal, and nothing else is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from kerastune_lite.training.start_messages import FILE_NAME, parted, write_held

OF_TENSORFLOW = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    "I0000 00:00:1795739983.316725   31893 port.cc:153] oneDNN custom operations are on.\n",
    "2026-11-27 00:40:18.572962: E external/local_xla/xla/cuda_fft.cc:477] Unable to register cuFFT factory\n",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow\n",
]
OF_CONCERN = [
    "W0000 00:00:1795739983.316725   31893 gpu_device.cc:2341] Cannot dlopen some GPU libraries.\n",
    "2026-11-27 00:40:18.572962: F tensorflow/core/platform/cpu_feature_guard.cc:37] uses AVX instructions\n",
    "/x/y.py:3: UserWarning: of Python\n",
]
PROGRAM = """
import os, sys
sys.path.insert(0, {folder!r})
import kerastune_lite
try:
    import tensorflow
except RuntimeError as error:
    print("caught", error)
print(tensorflow.__spec__.loader.__class__.__name__ if "tensorflow" in sys.modules else "no module")
"""


def test_lines_of_tensorflows_log_are_told_from_others():
    assert parted([*OF_TENSORFLOW, *OF_CONCERN]) == (OF_TENSORFLOW, OF_CONCERN)


def shown(tmp_path, module, *, terminal=True):
    """What a program shows that imports this module by the name of tensorflow."""
    (tmp_path / "tensorflow.py").write_text(f"import os, sys, warnings\n{module}\n")
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    ours, theirs = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-c", PROGRAM.format(folder=str(tmp_path))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment)
    out, _ = process.communicate()
    if terminal:
        os.set_blocking(ours, False)
    os.close(theirs) if not terminal else None
    chunks = []
    try:
        while data := os.read(ours, 65536):
            chunks.append(data)
    except OSError:  # nothing is left
        pass
    os.close(ours)
    os.close(theirs) if terminal else None
    return out.splitlines(), b"".join(chunks).decode().replace("\r", "")


NOISE = f"os.write(2, {OF_TENSORFLOW[1].encode()!r})"


def test_an_import_shows_what_is_not_tensorflows_and_the_module_keeps_its_loader(tmp_path):
    out, errors = shown(tmp_path, f"{NOISE}\nwarnings.warn('of Python', stacklevel=1)")

    assert "oneDNN" not in errors
    assert "UserWarning: of Python" in errors
    assert out == ["SourceFileLoader"]


def test_an_import_that_fails_shows_everything(tmp_path):
    out, errors = shown(tmp_path, f"{NOISE}\nraise RuntimeError('no such library')")

    assert "oneDNN" in errors
    assert out[0] == "caught no such library"


def test_a_crash_in_an_import_shows_everything(tmp_path):
    _, errors = shown(tmp_path, f"{NOISE}\nos.abort()")

    assert "oneDNN" in errors


def test_where_there_is_no_terminal_nothing_is_held(tmp_path):
    _, errors = shown(tmp_path, NOISE, terminal=False)

    assert "oneDNN" in errors


def test_a_level_that_a_person_has_set_is_kept(tmp_path):
    program = "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'; import kerastune_lite; "
    program += "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "0"


def test_what_was_held_is_written_into_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr("kerastune_lite.training.start_messages._held", OF_TENSORFLOW)
    write_held(tmp_path)

    assert (tmp_path / FILE_NAME).read_text() == "".join(OF_TENSORFLOW)


def test_a_file_that_cannot_be_written_is_no_reason_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr("kerastune_lite.training.start_messages._held", OF_TENSORFLOW)
    write_held(tmp_path / "missing")

    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("line", OF_CONCERN)
def test_what_concerns_a_person_is_shown(line):
    assert parted([line]) == ([], [line])
