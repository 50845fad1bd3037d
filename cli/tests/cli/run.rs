//! `run` beside the library.

use std::fs;

use wgpu_rnn::io::{Tensors, to_npy, to_npz, to_safetensors};
use wgpu_rnn::ndarray::{ArrayD, IxDyn};
use wgpu_rnn::{Backend, Config, Input, Layer, Output, Precision, State, Weights};

use super::{folder, listing, npy, refuse, succeed, values, wgpu_rnn};

fn library(
    weights: &Weights,
    input: &ArrayD<f32>,
    state: &State<'_, IxDyn>,
    lengths: Option<&[usize]>,
) -> Output<IxDyn> {
    let layer = Layer::new(weights, Backend::Cpu).unwrap();
    let input = Input::new(input.view());
    let input = match lengths {
        Some(lengths) => input.lengths(lengths),
        None => input,
    };
    layer.forward(input.state(state)).unwrap()
}

pub(crate) fn read_npy(path: &std::path::Path) -> ArrayD<f32> {
    Tensors::from_npy(&fs::read(path).unwrap(), "x").unwrap().f32("x").unwrap()
}

#[test]
fn every_format_in_and_out_gives_what_the_library_gives() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let config = Config::lstm(3, 5).num_layers(2).bidirectional(true).proj_size(2);
    let weights = Weights::seeded(config, 7).unwrap();
    fs::write(at("w.safetensors"), weights.to_safetensors().unwrap()).unwrap();
    fs::write(at("w.npz"), weights.to_npz().unwrap()).unwrap();
    let (input, h_0, c_0) = (values(&[2, 4, 3]), values(&[4, 2, 2]), values(&[4, 2, 5]));
    fs::write(at("x.npy"), to_npy(input.view()).unwrap()).unwrap();
    fs::write(at("h.npy"), to_npy(h_0.view()).unwrap()).unwrap();
    fs::write(at("c.npy"), to_npy(c_0.view()).unwrap()).unwrap();
    let all = [("input", input.view()), ("h_0", h_0.view()), ("c_0", c_0.view())];
    fs::write(at("all.npz"), to_npz(all.clone()).unwrap()).unwrap();
    fs::write(at("all.safetensors"), to_safetensors(all).unwrap()).unwrap();
    let expected = library(&weights, &input, &State::from((h_0.view(), c_0.view())), None);
    let c_n = expected.c_n.as_ref().unwrap();

    for (weights, arrays) in [
        ("w.safetensors", "--input x.npy --h0 h.npy --c0 c.npy"),
        ("w.npz", "--input all.npz --h0 all.npz --c0 all.npz"),
        ("w.npz", "--input all.safetensors --h0 all.safetensors --c0 all.safetensors"),
    ] {
        let run = format!("run --device cpu --weights {weights} {arrays}");
        let ran = succeed(folder.path(), &format!("{run} --output y.npy --h-n hn.npy --c-n cn.npy"));
        let line = "wgpu-rnn: ran LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2) on cpu\n";
        assert_eq!(ran.stderr, line);
        assert_eq!(ran.stdout, "");
        assert_eq!(read_npy(&at("y.npy")), expected.output);
        assert_eq!(read_npy(&at("hn.npy")), expected.h_n);
        assert_eq!(&read_npy(&at("cn.npy")), c_n);

        succeed(folder.path(), &format!("{run} --output y.npz --h-n y.npz --c-n ./y.npz"));
        succeed(folder.path(), &format!("{run} --output y.safetensors --c-n y.safetensors"));
        let (npz, safetensors) = (fs::read(at("y.npz")).unwrap(), fs::read(at("y.safetensors")).unwrap());
        let npz = Tensors::from_bytes(&npz).unwrap();
        let safetensors = Tensors::from_bytes(&safetensors).unwrap();
        assert_eq!(npz.shapes().map(|(name, _)| name).collect::<Vec<_>>(), ["c_n", "h_n", "output"]);
        assert_eq!(safetensors.shapes().map(|(name, _)| name).collect::<Vec<_>>(), ["c_n", "output"]);
        for tensors in [&npz, &safetensors] {
            assert_eq!(tensors.f32("output").unwrap(), expected.output);
            assert_eq!(&tensors.f32("c_n").unwrap(), c_n);
        }
        for file in ["y.npy", "hn.npy", "cn.npy", "y.npz", "y.safetensors"] {
            fs::remove_file(at(file)).unwrap();
        }
    }
    assert_eq!(listing(folder.path()).len(), 7, "nothing else is left: {:?}", listing(folder.path()));
}

#[test]
fn input_without_a_batch_prefix_nonlinearity_and_lengths() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let (tanh, relu) = (Config::rnn(3, 4).bias(false), Config::rnn_relu(3, 4).bias(false));
    let tanh = Weights::seeded(tanh, 1).unwrap();
    let relu = Weights::from_fn(relu, |name, _| Ok(tanh.get(name).unwrap().to_owned())).unwrap();
    let other = Weights::seeded(Config::gru(3, 4), 2).unwrap();
    let named: Vec<_> = [("a.", &tanh), ("b.", &other)]
        .into_iter()
        .flat_map(|(prefix, weights)| weights.parameters().map(move |(p, v)| (format!("{prefix}{p}"), v)))
        .collect();
    let named = named.iter().map(|(name, values)| (name.as_str(), values.view()));
    fs::write(at("w.safetensors"), to_safetensors(named).unwrap()).unwrap();
    let input = values(&[5, 3]);
    // A sole tensor is taken whatever its name is.
    fs::write(at("x.npz"), to_npz([("arr_0", input.view())]).unwrap()).unwrap();

    let run = "run --device cpu --weights w.safetensors --input x.npz --output y.npy";
    for (flags, weights) in
        [("--prefix a", &tanh), ("--prefix a. --nonlinearity relu", &relu), ("--prefix b", &other)]
    {
        succeed(folder.path(), &format!("{run} {flags}"));
        let expected = library(weights, &input, &State::default(), None).output;
        assert_eq!(expected.shape(), [5, 4]);
        assert_eq!(read_npy(&at("y.npy")), expected, "{flags}");
    }
    let line = "w.safetensors: recurrent parameters with prefix \"a.\", \"b.\"; \
                expected a prefix that says which of the layers to take (with --prefix or --layers)";
    refuse(folder.path(), run, line);

    let batch = values(&[3, 5, 3]);
    fs::write(at("x.npy"), to_npy(batch.view()).unwrap()).unwrap();
    fs::write(at("l.npy"), npy("|u1", "(3,)", &[2, 5, 0])).unwrap();
    let run = "run --device cpu --weights w.safetensors --prefix b --input x.npy --lengths l.npy";
    succeed(folder.path(), &format!("{run} --output y.npy"));
    let expected = library(&other, &batch, &State::default(), Some(&[2, 5, 0])).output;
    assert_eq!(read_npy(&at("y.npy")), expected);
}

#[test]
fn halves_are_the_rounded_weights_and_said() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let weights = Weights::seeded(Config::gru(3, 4), 3).unwrap();
    fs::write(at("w.safetensors"), weights.to_safetensors().unwrap()).unwrap();
    let input = values(&[2, 5, 3]);
    fs::write(at("x.npy"), to_npy(input.view()).unwrap()).unwrap();
    let run = "run --device cpu --weights w.safetensors --input x.npy --output y.npy --precision";
    let ran = succeed(folder.path(), &format!("{run} f16"));
    assert_eq!(ran.stderr, "wgpu-rnn: ran GRU(3, 4) on cpu, weights f16\n");
    let rounded = Precision::F16.round(&weights).unwrap();
    assert_eq!(read_npy(&at("y.npy")), library(&rounded, &input, &State::default(), None).output);
    succeed(folder.path(), &format!("{run} f32"));
    assert_eq!(read_npy(&at("y.npy")), library(&weights, &input, &State::default(), None).output);
}

#[test]
#[cfg(unix)]
fn pipes_links_and_permissions_are_left_as_they_are() {
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::process::Command;
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    succeed(folder.path(), "init --cell gru --input-size 2 --hidden-size 3 --seed 0 --output w.npz");
    fs::write(at("x.npy"), to_npy(values(&[1, 2, 2]).view()).unwrap()).unwrap();
    fs::write(at("y.npy"), "old").unwrap();
    fs::set_permissions(at("y.npy"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("y.npy", at("link.npy")).unwrap();
    let run = "run --device reference --weights w.npz --input x.npy --output";
    succeed(folder.path(), &format!("{run} link.npy"));
    assert!(fs::symlink_metadata(at("link.npy")).unwrap().is_symlink());
    assert_eq!(read_npy(&at("y.npy")).shape(), [1, 2, 3]);
    assert_eq!(fs::metadata(at("y.npy")).unwrap().permissions().mode() & 0o777, 0o640);
    // A pipe for a device, which a fault here would replace. Held open at both ends, so that nobody waits for the other.
    assert!(Command::new("mkfifo").arg(at("pipe.npy")).status().unwrap().success());
    let mut pipe = fs::File::options().read(true).write(true).open(at("pipe.npy")).unwrap();
    succeed(folder.path(), &format!("{run} pipe.npy --h-n pipe.npy"));
    assert!(fs::symlink_metadata(at("pipe.npy")).unwrap().file_type().is_fifo());
    pipe.write_all(b"end").unwrap();
    let mut found = vec![0; 4096];
    let length = pipe.read(&mut found).unwrap();
    let output = fs::read(at("y.npy")).unwrap();
    let h_n = found[..length].strip_prefix(&output[..]).unwrap().strip_suffix(b"end").unwrap();
    fs::write(at("h_n.npy"), h_n).unwrap();
    assert_eq!(read_npy(&at("h_n.npy")).shape(), [1, 1, 3]);
    let made = fs::metadata(at("w.npz")).unwrap().permissions().mode() & 0o777;
    fs::File::create(at("plain")).unwrap();
    assert_eq!(made, fs::metadata(at("plain")).unwrap().permissions().mode() & 0o777);
}

#[test]
fn the_result_does_not_depend_on_the_threads() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let weights = Weights::seeded(Config::lstm(7, 96), 7).unwrap();
    fs::write(at("w.safetensors"), weights.to_safetensors().unwrap()).unwrap();
    fs::write(at("x.npy"), to_npy(values(&[1, 40, 7]).view()).unwrap()).unwrap();
    let run = "run --device cpu --weights w.safetensors --input x.npy";
    for threads in [1, 2, 3] {
        succeed(folder.path(), &format!("{run} --threads {threads} --output y{threads}.npy"));
        assert_eq!(read_npy(&at(&format!("y{threads}.npy"))), read_npy(&at("y1.npy")));
    }
    let none = format!("{run} --threads 0 --output y.npy");
    let ran = wgpu_rnn(folder.path(), &none.split_whitespace().collect::<Vec<_>>());
    assert!(ran.stderr.contains("'0' for '--threads <N>'"), "{}", ran.stderr);
    assert_eq!((ran.status, at("y.npy").exists()), (2, false));
}
