//! Unlucky users and hostile names: huge sizes, links, signals, missing threads, control characters.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wgpu_rnn::io::to_npy;
use wgpu_rnn::{Config, Weights};

use super::{folder, listing, refuse, succeed, values, wgpu_rnn};

/// Writes the weights of a GRU(3, 4) and an input of `steps` steps.
fn files(folder: &Path, steps: usize) {
    let weights = Weights::seeded(Config::gru(3, 4), 0).unwrap();
    fs::write(folder.join("w.safetensors"), weights.to_safetensors().unwrap()).unwrap();
    fs::write(folder.join("x.npy"), to_npy(values(&[2, steps, 3]).view()).unwrap()).unwrap();
}

#[test]
fn huge_sizes_are_refused_before_anything_is_built() {
    let folder = folder();
    let layer = "--cell gru --input-size 80 --hidden-size 4";
    for size in [
        "--batch 9223372036854775807",
        "--batch 9223372036854775807 --steps 1",
        "--batch 4294967296 --steps 4294967296",
        "--batch 1 --steps 1152921504606846976",
    ] {
        let ran = wgpu_rnn(
            folder.path(),
            &format!("bench --device cpu {layer} {size}").split(' ').collect::<Vec<_>>(),
        );
        assert_eq!(ran.status, 2, "{size}: {}", ran.stderr);
        assert!(ran.stderr.contains("out of memory: input of shape ["), "{size}: {}", ran.stderr);
    }
    let start = Instant::now();
    for layers in ["65537", "1000000", "1000000000000"] {
        let line = format!("num_layers must be at most 65536, found {layers}");
        refuse(
            folder.path(),
            &format!("init {layer} --seed 0 --num-layers {layers} --output w.safetensors"),
            &line,
        );
    }
    let line = "out of memory: 12000492000000 parameters of GRU(80, 2000000)";
    refuse(
        folder.path(),
        "init --cell gru --input-size 80 --hidden-size 2000000 --seed 0 --output w.safetensors",
        line,
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(listing(folder.path()).is_empty());
}

#[test]
fn an_output_never_replaces_an_input() {
    let folder = folder();
    files(folder.path(), 2);
    let before = listing(folder.path());
    for (output, name) in [("x.npy", "x.npy"), ("./x.npy", "./x.npy"), ("w.safetensors", "w.safetensors")] {
        let line = format!("{name}: expected an output that is none of the inputs, found an input");
        let run = "run --device cpu --weights w.safetensors --input x.npy --output";
        refuse(folder.path(), &format!("{run} {output}"), &line);
        refuse(folder.path(), &format!("{run} y.npy --h-n {output}"), &line);
    }
    let line = "w.safetensors: expected an output that is none of the inputs, found an input";
    refuse(folder.path(), "bench --device cpu --weights w.safetensors --json w.safetensors", line);
    assert_eq!(listing(folder.path()), before);
}

#[cfg(unix)]
#[test]
fn a_link_as_output_keeps_pointing_at_its_file() {
    let folder = folder();
    files(folder.path(), 2);
    fs::create_dir(folder.path().join("there")).unwrap();
    std::os::unix::fs::symlink("there/y.npy", folder.path().join("y.npy")).unwrap();
    for _ in 0..2 {
        succeed(folder.path(), "run --device cpu --weights w.safetensors --input x.npy --output y.npy");
        assert!(folder.path().join("y.npy").is_symlink());
        assert!(fs::metadata(folder.path().join("there/y.npy")).unwrap().is_file());
    }
    std::os::unix::fs::symlink("loop.npy", folder.path().join("loop.npy")).unwrap();
    let run = "run --device cpu --weights w.safetensors --input x.npy --output loop.npy";
    refuse(folder.path(), run, "loop.npy: expected a file, found links that form a circle");
    assert!(folder.path().join("loop.npy").is_symlink());
}

#[cfg(unix)]
#[test]
fn standard_output_may_be_a_file() {
    let folder = folder();
    files(folder.path(), 2);
    let run = "run --device cpu --weights w.safetensors --input x.npy --output";
    succeed(folder.path(), &format!("{run} y.npy"));
    let expected = fs::read(folder.path().join("y.npy")).unwrap();
    for path in ["/dev/stdout", "/dev/fd/1"] {
        let target = folder.path().join("out");
        fs::write(&target, "before\n").unwrap();
        let file = fs::OpenOptions::new().append(true).open(&target).unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_wgpu-rnn"))
            .args(format!("{run} {path}").split(' '))
            .current_dir(folder.path())
            .stdout(file)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{path}");
        assert_eq!(fs::read(&target).unwrap(), [b"before\n", &expected[..]].concat(), "{path}");
    }
}

#[test]
fn control_characters_and_long_names_do_not_reach_the_terminal() {
    let folder = folder();
    let weights = "\x1b[31mred\n.safetensors";
    let ran =
        wgpu_rnn(folder.path(), &["run", "--weights", weights, "--input", "x.npy", "--output", "y.npy"]);
    let line = "wgpu-rnn: \\u{1b}[31mred .safetensors: No such file or directory (os error 2)\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (2, line));
    let weights = "x".repeat(100_000);
    let ran =
        wgpu_rnn(folder.path(), &["run", "--weights", &weights, "--input", "x.npy", "--output", "y.npy"]);
    assert!(ran.status == 2 && ran.stderr.len() < 4200, "{}", ran.stderr.len());
}

/// Starts a run that takes long, and returns when its output is open.
#[cfg(target_os = "linux")]
fn long_run(folder: &Path, named: bool) -> std::process::Child {
    let arguments = "run --device reference --weights w.safetensors --input x.npy --output y.npy";
    // A shell starts jobs in the background with SIGINT ignored, and programs that it starts inherit that. GNU's env
    // undoes it.
    let (binary, defaults) = (env!("CARGO_BIN_EXE_wgpu-rnn"), "--default-signal=INT,TERM,HUP");
    let can_undo = Command::new("env").args([defaults, "true"]).status().is_ok_and(|status| status.success());
    let mut command = Command::new(if can_undo { "env" } else { binary });
    if can_undo {
        command.args([defaults, binary]);
    }
    command.args(arguments.split(' ')).current_dir(folder).stderr(Stdio::null());
    if named {
        command.env("WGPU_RNN_TEST_NAMED_DRAFTS", "1");
    }
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let is_open = |child: u32| {
        let Ok(open) = fs::read_dir(format!("/proc/{child}/fd")) else { return false };
        let mut targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| target.starts_with(folder) && !target.ends_with("x.npy"))
    };
    while !is_open(child.id()) {
        assert!(start.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[cfg(target_os = "linux")]
fn send(signal: &str, child: &std::process::Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_run_leaves_nothing() {
    let folder = folder();
    let root = fs::canonicalize(folder.path()).unwrap();
    files(&root, 400_000);
    let before = listing(&root);
    for (signal, named) in
        [("-INT", true), ("-TERM", true), ("-HUP", true), ("-INT", false), ("-TERM", false), ("-KILL", false)]
    {
        let mut child = long_run(&root, named);
        assert_eq!(listing(&root).len(), before.len() + usize::from(named), "{signal}");
        send(signal, &child);
        let status = child.wait().unwrap();
        assert!(!status.success());
        assert_eq!(listing(&root), before, "{signal}, named: {named}");
        if named {
            assert_eq!(status.code(), Some(130), "{signal}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn named_and_nameless_outputs_are_the_same() {
    let folder = folder();
    files(folder.path(), 2);
    let run = "run --device cpu --weights w.safetensors --input x.npy --output";
    succeed(folder.path(), &format!("{run} a.npy"));
    let status = Command::new(env!("CARGO_BIN_EXE_wgpu-rnn"))
        .args(format!("{run} b.npy").split(' '))
        .current_dir(folder.path())
        .env("WGPU_RNN_TEST_NAMED_DRAFTS", "1")
        .status()
        .unwrap();
    assert!(status.success());
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions();
    assert_eq!((read("a.npy"), mode("a.npy")), (read("b.npy"), mode("b.npy")));
    assert_eq!(listing(folder.path()).len(), 4);
}

/// Without a thread to be had, the calling thread does the work. Limits of threads do not hold for root, so the
/// commands run as another user.
#[cfg(target_os = "linux")]
#[test]
fn without_threads_the_calling_thread_computes() {
    use std::os::unix::fs::PermissionsExt;

    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let has_setpriv = Command::new("setpriv").arg("--version").output().is_ok();
    if !is_root || !has_setpriv {
        eprintln!("needs root and setpriv: not tested");
        return;
    }
    let folder = folder();
    files(folder.path(), 50);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let binary = folder.path().join("wgpu-rnn");
    fs::copy(env!("CARGO_BIN_EXE_wgpu-rnn"), &binary).unwrap();
    succeed(folder.path(), "run --device cpu --weights w.safetensors --input x.npy --output expected.npy");
    for limit in 1..=4 {
        for command in [
            "./wgpu-rnn run --device cpu --weights w.safetensors --input x.npy --output y.npy",
            "./wgpu-rnn bench --device cpu --cell gru --input-size 80 --hidden-size 256 --batch 8 --seconds 0.01",
            "./wgpu-rnn info --json",
        ] {
            let limited = format!("ulimit -u {limit}; WGPU_BACKEND=none exec {command}");
            let output = Command::new("setpriv")
                .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "bash", "-c", &limited])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "ulimit -u {limit}; {command}: {stderr}");
            assert!(!stderr.contains("panicked"), "{stderr}");
            if limit == 1 && command.contains(" bench ") {
                assert!(stderr.contains("the calling thread computes alone"), "{stderr}");
            }
        }
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("y.npy"), read("expected.npy"));
    }
}
