"""A device behind a real sshd on this machine: another home, another environment, installed from a bundle, with no index to ask."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from freezenet.benchmarks.devices.ssh import HOME, Ssh
from freezenet.edge_runtime.errors import DeviceError, SettingError

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """(host, configuration for ssh, home on the device) of a running sshd."""
    if not Path(SSHD).is_file() or shutil.which("ssh") is None:
        pytest.skip("sshd is not installed here (apt-get install openssh-server)")
    folder = tmp_path_factory.mktemp("sshd")
    home = folder / "home"
    home.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copyfile(folder / "user.pub", folder / "authorized")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    # Every command of the device runs with a home of its own, and with an index that nothing answers for.
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"SetEnv HOME={home} PIP_INDEX_URL=http://127.0.0.1:9/ PIP_CONFIG_FILE=/dev/null PATH={os.environ['PATH']}\n"
    )
    (folder / "ssh_config").write_text(
        f"Host clinic\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n  IdentityFile {folder / 'user'}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder / 'known'}\n  StrictHostKeyChecking accept-new\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.PIPE, text=True)
    for _ in range(100):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                break
        if server.poll() is not None:
            pytest.skip(f"sshd does not start here: {server.stderr.read()[-300:]}")
        time.sleep(0.1)
    yield "clinic", folder / "ssh_config", home
    server.terminate()
    server.wait(10)


def test_from_nothing_to_rows(device, bundle, models, phantoms, command, tmp_path, monkeypatch):
    host, config, home = device
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    arguments = ("benchmark", "--ssh", host, "--ssh-config", config, "--runs", 20, "--json")
    code, out, err = command(*arguments, "--bundle", bundle, models / "int8.tflite", phantoms, "--all")
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["reached_by"] == "ssh clinic"
    assert row["verify"]["labels_equal"] == row["verify"]["vectors"] > 0
    assert row["p50_ms"] > 0 and len(row["samples_ms"]) == 20
    # It ran in the device's own environment, which has no training stack.
    assert "tensorflow" not in row["environment"]["packages"]
    assert (home / HOME / "venv" / "bin" / "freezenet").is_file() and not (home / HOME / "wheels").exists()
    # The same answers as here.
    code, out, _ = command("evaluate", models / "int8.tflite", phantoms, "--all", "--json")
    here = json.loads(out)
    assert row["accuracy"]["images"] == here["images"] > 50
    assert (row["accuracy"]["accuracy"], row["accuracy"]["confusion_matrix"]) == (
        here["accuracy"],
        here["confusion_matrix"],
    )
    # The second time nothing is installed; without DATA nothing is judged.
    code, out, err = command(*arguments, models / "float32.tflite")
    assert code == 0 and "installing" not in err
    assert "accuracy" not in json.loads(out)[0]


def test_nothing_of_models_and_images_stays(device):
    host, config, _ = device
    reached = Ssh(host, config=config)
    folder = reached.new_folder()
    assert oct(Path(folder).stat().st_mode & 0o777) == "0o700"
    reached.send([(config, "an image 'of' a patient;.png")], folder)
    assert [path.name for path in Path(folder).iterdir()] == ["an image 'of' a patient;.png"]
    reached.remove(folder)
    assert not Path(folder).exists()


def test_what_fails_is_one_sentence(device, tmp_path):
    host, config, _ = device
    with pytest.raises(SettingError, match="host such as"):
        Ssh("-oProxyCommand=true")
    with pytest.raises(DeviceError, match="reaches without a password"):
        Ssh("nowhere.invalid", config=config)
    with pytest.raises(DeviceError, match="On clinic, python9 failed"):
        Ssh(host, config=config, python="python9")
    reached = Ssh(host, config=config)
    with pytest.raises(DeviceError, match="files could not be written"):
        reached.send([(config, "a")], "/proc/nowhere")
    with pytest.raises(DeviceError, match="A bundle for platform"):
        reached.install(tmp_path, {"platform": "mips", "python": "3.11", "sha256": {}})
