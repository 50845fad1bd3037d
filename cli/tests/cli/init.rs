//! `init` beside PyTorch's own parameters.

use std::fs;

use wgpu_rnn::{LoadOptions, Weights, io::Tensors};

use super::{folder, golden, refuse, succeed};

/// The case files hold what torch.manual_seed and a constructor gave.
#[test]
fn parameters_are_pytorchs_bit_for_bit() {
    let folder = folder();
    for (name, flags) in [
        ("rnn_seed_shape", "--cell rnn"),
        ("lstm_projection_lengths", "--cell lstm --num-layers 2 --bidirectional --proj-size 7"),
        ("gru_lengths", "--cell gru --num-layers 2 --bidirectional"),
    ] {
        let case = fs::read(golden(name)).unwrap();
        let case = Tensors::from_bytes(&case).unwrap();
        let get = |key: &str| case.metadata()[key].clone();
        let sizes = format!("--input-size {} --hidden-size {}", get("input_size"), get("hidden_size"));
        let expected = Weights::from_tensors(&case, &LoadOptions::default()).unwrap();
        for output in ["w.safetensors", "w.npz"] {
            let command = format!("init {flags} {sizes} --seed {} --output {output}", get("seed"));
            let ran = succeed(folder.path(), &command);
            let (config, seed) = (expected.config(), get("seed"));
            let line = format!("wgpu-rnn: wrote {config} with seed {seed}, ");
            assert!(ran.stderr.starts_with(&line) && ran.stderr.ends_with(&format!("to {output}\n")));
            let file = fs::read(folder.path().join(output)).unwrap();
            let found = Weights::from_bytes(&file, &LoadOptions::default());
            assert_eq!(found.unwrap(), expected, "{command}");
        }
    }
}

#[test]
fn every_option_is_written() {
    let folder = folder();
    let flags = "--cell rnn --input-size 2 --hidden-size 3 --num-layers 2 --no-bias --nonlinearity relu";
    succeed(folder.path(), &format!("init {flags} --seed 0 --output w.safetensors"));
    let file = fs::read(folder.path().join("w.safetensors")).unwrap();
    let weights = Weights::from_bytes(&file, &LoadOptions::default()).unwrap();
    let config = "RNN(2, 3, num_layers=2, nonlinearity='relu', bias=False)";
    assert_eq!(weights.config().to_string(), config);
}

#[test]
fn layers_that_cannot_be_are_refused() {
    let folder = folder();
    let init = |flags: &str, line: &str| {
        refuse(folder.path(), &format!("init {flags} --seed 0 --output w.safetensors"), line);
        assert!(super::listing(folder.path()).is_empty());
    };
    init("--cell rnn --input-size 0 --hidden-size 3", "input_size must be greater than zero, found 0");
    let line = "proj_size has to be smaller than hidden_size (3), found 3";
    init("--cell lstm --input-size 2 --hidden-size 3 --proj-size 3", line);
    let line = "nonlinearity is only supported for RNN, not LSTM, found relu";
    init("--cell lstm --input-size 2 --hidden-size 3 --nonlinearity relu", line);
    let line = "out of memory: 80000000800000000 parameters of LSTM(100000000, 100000000)";
    init("--cell lstm --input-size 100000000 --hidden-size 100000000", line);
}
