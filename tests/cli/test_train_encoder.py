import json

QUICK = ("--num-steps", 2, "--batch-size", 4, "--width", 4)


def test_an_encoder_is_trained_and_measured(run_moco, toy_generator_path, tmp_path):
    out = tmp_path / "encoder.safetensors"

    result = run_moco("train-encoder", toy_generator_path, "-o", out, *QUICK, "--json")

    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    assert values["wrote"] == str(out)
    assert 0 < values["latent_error"] < 10


def test_an_existing_file_stays(run_moco, toy_generator_path, tmp_path):
    out = tmp_path / "encoder.safetensors"
    out.write_text("mine")

    result = run_moco("train-encoder", toy_generator_path, "-o", out, *QUICK)

    assert result.exit_code == 2
    assert out.read_text() == "mine"
