//! Bad usage and bad files: one line, exit status 2, and no output.

use std::fs;
use std::process::{Command, Stdio};

use wgpu_rnn::io::{to_npy, to_npz};
use wgpu_rnn::ndarray::{ArrayD, arr0};
use wgpu_rnn::{Config, Weights};

use super::{folder, listing, npy, refuse, values, wgpu_rnn};

#[test]
fn bad_files_are_refused_by_name_and_leave_nothing() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let array = |name: &str, values: ArrayD<f32>| write(name, &to_npy(values.view()).unwrap());
    let gru = Weights::seeded(Config::gru(3, 4), 0).unwrap().to_safetensors().unwrap();
    write("w.safetensors", &gru);
    write("l.safetensors", &Weights::seeded(Config::lstm(3, 4), 0).unwrap().to_safetensors().unwrap());
    write("short.safetensors", &gru[..gru.len() - 1]);
    write("w.onnx", include_bytes!("../../../tests/onnx/gru_torchscript.onnx"));
    write("empty.safetensors", b"");
    write("length.safetensors", &u64::MAX.to_le_bytes());
    array("x.npy", values(&[2, 5, 3]));
    array("wide.npy", values(&[2, 5, 4]));
    array("flat.npy", values(&[5]));
    array("nosteps.npy", values(&[2, 0, 3]));
    array("h.npy", values(&[1, 3, 4]));
    array("c.npy", values(&[1, 2, 4]));
    array("scalar.npy", arr0(0.5).into_dyn());
    let mut broken = values(&[2, 5, 3]);
    broken[[1, 2, 0]] = f32::INFINITY;
    array("inf.npy", broken);
    write("cut.npy", &to_npy(values(&[2, 5, 3]).view()).unwrap()[..140]);
    write("lie.npy", &npy("<f4", "(4000000000, 1000000, 3)", &[0; 12]));
    let some = values(&[2]);
    write("two.npz", &to_npz([("a", some.view()), ("b", some.view())]).unwrap());
    write("long.npy", &npy("|u1", "(2,)", &[5, 6]));
    write("three.npy", &npy("|u1", "(3,)", &[5, 5, 5]));
    write("negative.npy", &npy("|i1", "(2,)", &[5, 0xFF]));
    write("square.npy", &npy("|u1", "(1, 2)", &[5, 5]));
    let before = listing(folder.path());

    let x = "--input x.npy";
    for (weights, arrays, line) in [
        ("none.safetensors", x, "none.safetensors: No such file or directory (os error 2)"),
        ("w.onnx", x, "w.onnx: expected a file of tensors, found an ONNX model (--model takes it)"),
        (
            "x.npy",
            x,
            "x.npy: no recurrent parameters; expected weight_ih_l0, weight_hh_l0 and so on, with any prefix, or Keras' \
             kernel, recurrent_kernel and so on",
        ),
        (
            "short.safetensors",
            x,
            "short.safetensors: safetensors: expected a complete safetensors file, found incomplete metadata, \
             file not fully covered",
        ),
        (
            "empty.safetensors",
            x,
            "empty.safetensors: file: expected safetensors, npy, npz, a file of torch.save, or Keras' .keras or .h5 by \
             its first bytes, found an empty file",
        ),
        (
            "length.safetensors",
            x,
            "length.safetensors: file: expected safetensors, npy, npz, a file of torch.save, or Keras' .keras or .h5 \
             by its first bytes, found none of them",
        ),
        (
            "two.npz",
            x,
            "two.npz: no recurrent parameters; expected weight_ih_l0, weight_hh_l0 and so on, with any prefix, or \
             Keras' kernel, recurrent_kernel and so on",
        ),
        (
            "w.safetensors",
            "--input two.npz",
            r#"two.npz: input: expected a tensor of that name, found "a", "b""#,
        ),
        (
            "w.safetensors",
            "--input wide.npy",
            "wide.npy: input.size(-1) must be equal to input_size. Expected 3, got 4",
        ),
        ("w.safetensors", "--input flat.npy", "flat.npy: GRU: Expected input to be 2D or 3D, got 1D instead"),
        (
            "w.safetensors",
            "--input scalar.npy",
            "scalar.npy: GRU: Expected input to be 2D or 3D, got 0D instead",
        ),
        (
            "w.safetensors",
            "--input nosteps.npy",
            "nosteps.npy: input: Expected sequence length to be larger than 0 in RNN, found 0",
        ),
        ("w.safetensors", "--input inf.npy", "inf.npy: input[1, 2, 0]: expected a finite value, found inf"),
        (
            "w.safetensors",
            "--input cut.npy",
            "cut.npy: input: expected 120 bytes of values for f32 of shape [2, 5, 3], found 12",
        ),
        (
            "w.safetensors",
            "--input lie.npy",
            "lie.npy: input: expected 48000000000000000 bytes of values for f32 of shape [4000000000, 1000000, 3], \
             found 12",
        ),
        (
            "w.safetensors",
            "--input three.npy",
            "three.npy: input: expected dtype f16, bf16, f32 or f64, found u8",
        ),
        (
            "w.safetensors",
            "--input x.npy --h0 h.npy",
            "h.npy: h_0: Expected hidden size [1, 2, 4], got [1, 3, 4]",
        ),
        (
            "w.safetensors",
            "--input x.npy --h0 flat.npy",
            "flat.npy: h_0: For 3-D input, h_0 should also be 3-D but got 1-D tensor",
        ),
        (
            "w.safetensors",
            "--input x.npy --c0 c.npy",
            "c.npy: c_0: expected none, since GRU has no cell state, found shape [1, 2, 4]",
        ),
        (
            "l.safetensors",
            "--input x.npy --c0 h.npy",
            "h.npy: c_0: Expected hidden size [1, 2, 4], got [1, 3, 4]",
        ),
        (
            "w.safetensors",
            "--input x.npy --lengths long.npy",
            "long.npy: lengths[1]: expected 0 to 5 (the input's steps), found 6",
        ),
        (
            "w.safetensors",
            "--input x.npy --lengths three.npy",
            "three.npy: lengths: Expected `len(lengths)` to be equal to batch_size 2, but got 3",
        ),
        (
            "w.safetensors",
            "--input x.npy --lengths negative.npy",
            "negative.npy: lengths[1]: expected 0 or more, found -1",
        ),
        (
            "w.safetensors",
            "--input x.npy --lengths square.npy",
            "square.npy: mask[0]: expected ones and then zeros, found another order",
        ),
        (
            "w.safetensors",
            "--input x.npy --lengths x.npy",
            "x.npy: lengths: expected dtype an integer type, found f32",
        ),
        (
            "w.safetensors",
            "--input x.npy --nonlinearity relu",
            "w.safetensors: nonlinearity is only supported for RNN, not GRU, found relu",
        ),
        (
            "w.safetensors",
            "--input x.npy --prefix a",
            "w.safetensors: recurrent parameters with prefix \"\"; expected prefix \"a\"",
        ),
        (
            "w.safetensors",
            "--input x.npy --h-n y.npy",
            "y.npy: expected one array in an .npy file, found output and h_n",
        ),
        (
            "w.safetensors",
            "--input x.npy --c-n c_n.npy",
            "c_n.npy: c_n: expected no --c-n, since GRU has no cell state",
        ),
        (
            "w.safetensors",
            "--input x.npy --h-n none/h.npy",
            "none/h.npy: No such file or directory (os error 2)",
        ),
        (
            "w.safetensors",
            "--input x.npy --h-n y.txt",
            "y.txt: expected a name that ends in .npy or .npz or .safetensors, found .txt",
        ),
        (
            "w.safetensors",
            "--input x.npy --h-n y",
            "y: expected a name that ends in .npy or .npz or .safetensors, found no extension",
        ),
    ] {
        // Devices are opened when the files are known to be good: drivers write to standard error.
        let run = format!("run --weights {weights} {arrays} --output y.npy");
        refuse(folder.path(), &run, line);
        assert_eq!(listing(folder.path()), before, "{run}");
    }
}

#[test]
fn bad_usage_ends_with_status_2() {
    let folder = folder();
    for arguments in [
        &[][..],
        &["bench"],
        &["plan"],
        &["run"],
        &["check"],
        &["init", "--cell", "elman"],
        &["run", "--weights", "w", "--input", "x", "--output", "y", "--strategy", "fast"],
        &["run", "--weights", "w", "--input", "x", "--output", "y", "--nonlinearity", "sigmoid"],
        &["info", "--fast"],
    ] {
        let ran = wgpu_rnn(folder.path(), arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        assert_eq!(wgpu_rnn(folder.path(), arguments).status, 0, "{arguments:?}");
    }
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let folder = folder();
    let case = super::golden("gru_lengths");
    for device in ["4711", "no such adapter"] {
        let ran = wgpu_rnn(folder.path(), &["check", "--device", device, case.to_str().unwrap()]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
        // Drivers may write to standard error themselves.
        let ours: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("wgpu-rnn: ")).collect();
        assert!(
            matches!(ours[..], [line] if line.contains("no GPU adapter") && line.contains(device)),
            "{ours:?}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let case = super::golden("gru_lengths");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wgpu-rnn"))
        .args(["check", "--device", "reference", case.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}
