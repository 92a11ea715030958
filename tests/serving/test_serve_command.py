"""`eva-graph serve`: the whole commands, word by word; what it refuses; what it turns into."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import eva_graph
from eva_graph.cli import app
from eva_graph.errors import InvalidRequest
from eva_graph.serving.command import ServeOptions, serve_command
from eva_graph.serving.model import model_to_serve
from eva_graph.serving.start import find_vllm, has_gpu

PACKAGE = Path(eva_graph.__file__).parent
TEMPLATE = PACKAGE / "policy" / "chat_template.jinja"
ALWAYS = "--generation-config vllm --enable-prompt-tokens-details"
IMAGES = """--limit-mm-per-prompt '{"image": 9999, "video": 0}'"""
ON_CPU = "--dtype float32 --enforce-eager --max-num-seqs 32 --gpu-memory-utilization 0.3"
GOLDEN = {
    "nano --cpu": (
        f"VLLM_CPU_KVCACHE_SPACE=1 VLLM serve {PACKAGE}/nano --host 127.0.0.1 --port 8000 "
        f"--served-model-name nano --chat-template {TEMPLATE} {IMAGES} "
        f"--mm-processor-cache-gb 2 {ALWAYS} {ON_CPU}"
    ),
    "nano --gpu --training --port 9000": (
        f"VLLM_SERVER_DEV_MODE=1 VLLM serve {PACKAGE}/nano --host 127.0.0.1 --port 9000 "
        f"--served-model-name nano --chat-template {TEMPLATE} {IMAGES} "
        f"--mm-processor-cache-gb 20 {ALWAYS} --logprobs-mode processed_logprobs"
    ),
    "WRHC/EfficientVideoAgent --gpu --data-parallel 8 --max-model-len 65536 --host 0.0.0.0": (
        f"VLLM serve WRHC/EfficientVideoAgent --host 0.0.0.0 --port 8000 "
        f"--chat-template {TEMPLATE} {IMAGES} --mm-processor-cache-gb 20 {ALWAYS} "
        "--max-model-len 65536 --data-parallel-size 8"
    ),
    "a/model --gpu --tool-parser hermes --served-name it -- --generation-config auto": (
        f"VLLM serve a/model --host 127.0.0.1 --port 8000 --served-model-name it "
        f"--enable-auto-tool-choice --tool-call-parser hermes {IMAGES} "
        f"--mm-processor-cache-gb 20 {ALWAYS} --generation-config auto"
    ),
}  # fmt: skip
STAND_IN = f"""#!{sys.executable}
import json, os, signal, sys
def end(number, frame):
    print("ended", number, flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print(json.dumps([os.getpid(), sys.argv[1:], os.environ["VLLM_CPU_KVCACHE_SPACE"]]), flush=True)
if "--wait" in sys.argv:
    signal.pause()
sys.exit(7)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable in vllm's place that tells how it was started."""
    path = tmp_path / "bin" / "vllm"
    path.parent.mkdir()
    path.write_text(STAND_IN)
    path.chmod(0o755)
    monkeypatch.setenv("EVA_GRAPH_VLLM", str(path))
    return path


def start(*arguments: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "eva_graph.cli", "serve", *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("arguments", GOLDEN)
def test_print(arguments: str, stand_in: Path) -> None:
    done = CliRunner().invoke(app, ["serve", "--print", *arguments.split()])
    assert done.exit_code == 0
    assert done.stdout == GOLDEN[arguments].replace("VLLM ", f"{stand_in} ") + "\n"


def test_the_printed_command_is_the_one_that_runs(stand_in: Path) -> None:
    printed, _ = start("nano", "--cpu", "--print").communicate()
    settings, *words = shlex.split(printed)
    with start("nano", "--cpu") as process:
        told, _ = process.communicate()
    pid, arguments, cache_gb = json.loads(told)
    assert [settings, *words] == [f"VLLM_CPU_KVCACHE_SPACE={cache_gb}", str(stand_in), *arguments]
    assert (pid, process.returncode) == (process.pid, 7)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_the_servers(number: signal.Signals, stand_in: Path) -> None:
    with start("nano", "--cpu", "--", "--wait") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())[0] == process.pid
        process.send_signal(number)
        assert process.stdout.read() == f"ended {number.value}\n"
    assert process.returncode == 0


def test_the_users_own_cache_setting_stays(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "3")
    done = CliRunner().invoke(app, ["serve", "nano", "--cpu", "--print"])
    assert done.stdout.startswith("VLLM_CPU_KVCACHE_SPACE=3 ")


def test_without_vllm_the_command_and_the_cure_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVA_GRAPH_VLLM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    program = "import sys; sys.executable = '/none/python'; from eva_graph.cli import main; main()"
    arguments = [sys.executable, "-c", program, "serve", "nano", "--gpu"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("vllm serve ")
    assert done.stderr.count("\n") == 1
    assert 'pip install "eva-graph[serve]"' in done.stderr


def test_what_is_no_executable_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="EVA_GRAPH_VLLM"):
        find_vllm({"EVA_GRAPH_VLLM": str(tmp_path)})
    script = tmp_path / "vllm"
    script.write_text("not a program")
    script.chmod(0o755)
    assert find_vllm({"EVA_GRAPH_VLLM": str(script)}) == str(script)
    done = subprocess.run(
        [sys.executable, "-m", "eva_graph.cli", "serve", "nano"],
        env={**os.environ, "EVA_GRAPH_VLLM": str(script)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "does not start" in done.stderr


def test_hidden_gpus_are_none() -> None:
    assert not has_gpu({"CUDA_VISIBLE_DEVICES": ""})
    assert not has_gpu({"CUDA_VISIBLE_DEVICES": "-1"})


def folder(path: Path, model_type: str, weights: int = 0) -> str:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with (path / "model.safetensors").open("wb") as file:
        file.truncate(weights)
    return str(path)


def test_a_folder_gets_the_template_of_its_family(tmp_path: Path) -> None:
    ours = model_to_serve(folder(tmp_path / "ours", "qwen2_5_vl"))
    other = model_to_serve(folder(tmp_path / "other", "internvl_chat"))
    assert str(TEMPLATE) in serve_command(ours, ServeOptions()).arguments
    assert "--chat-template" not in serve_command(other, ServeOptions()).arguments
    assert "--served-model-name" not in serve_command(ours, ServeOptions()).arguments
    own = tmp_path / "own.jinja"
    own.write_text("{{ messages }}")
    chosen = ServeOptions(chat_template=str(own), tool_parser="hermes")
    assert {str(own), "hermes"} < set(serve_command(ours, chosen).arguments)


def test_the_cpu_cache_follows_the_weights(tmp_path: Path) -> None:
    large = model_to_serve(folder(tmp_path / "large", "qwen2_5_vl", weights=3 * 2**30))
    settings = serve_command(large, ServeOptions(cpu=True)).environment
    assert settings == {"VLLM_CPU_KVCACHE_SPACE": "4"}


def test_media(tmp_path: Path) -> None:
    arguments = serve_command(model_to_serve("nano"), ServeOptions(media=tmp_path)).arguments
    assert arguments[arguments.index("--allowed-local-media-path") + 1] == str(tmp_path)


@pytest.mark.parametrize("spec", ["./gone", "/gone/model", "gone", "a/b/c", "a b/c"])
def test_what_is_no_model_is_refused(spec: str) -> None:
    with pytest.raises(InvalidRequest, match="neither nano, a model folder nor a hub name"):
        model_to_serve(spec)


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"no config\.json"):
        model_to_serve(str(tmp_path))


REFUSED: dict[str, ServeOptions] = {
    "--data-parallel": ServeOptions(data_parallel=0),
    "--images": ServeOptions(images_per_prompt=0),
    "--max-model-len": ServeOptions(max_model_len=0),
    "--port": ServeOptions(port=65_536),
    "--media-cache-gb": ServeOptions(media_cache_gb=float("nan")),
    "--media ": ServeOptions(media=Path("/no/such/folder")),
    "--chat-template": ServeOptions(chat_template="/no/such/file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=name):
        serve_command(model_to_serve("nano"), REFUSED[name])


def test_what_may_surprise_is_said(stand_in: Path) -> None:
    def told(*arguments: str) -> str:
        return CliRunner().invoke(app, ["serve", "--print", *arguments]).stderr

    assert "--chat-template model" in told("a/model")
    assert told("a/model", "--chat-template", "model") == told("nano") == ""
    assert "can replace the weights" in told("nano", "--training", "--host", "0.0.0.0")
