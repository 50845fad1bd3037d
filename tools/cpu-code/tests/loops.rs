//! The program on what the compiler wrote: good loops, the same ones broken, and one that once was in the library.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The exit code for this assembly, and what is printed.
fn check(name: &str, assembly: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.s"));
    std::fs::write(&path, assembly).expect("the assembly is written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_cpu-code")).args(arguments).arg(&path).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn misses(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("MISSED: ")).collect()
}

/// Expects the loops for AVX-512 to be refused in just these words.
fn refused(name: &str, assembly: &str, expected: &[&str]) {
    assert!(assembly != fixture("avx512.s"), "{name}: nothing is broken");
    let (code, text) = check(name, assembly, &["--expect", "avx512"]);
    assert_eq!(misses(&text), expected, "{name}");
    assert_eq!(code, Some(1), "{name}");
}

#[test]
fn good_loops_pass_and_their_figures_are_printed() {
    let (code, text) = check("good", &fixture("avx512.s"), &["--expect", "avx512"]);
    assert_eq!(misses(&text), [""; 0]);
    assert_eq!(code, Some(0));
    let has = |line: &[&str]| text.lines().any(|found| found.split_whitespace().eq(line.iter().copied()));
    // Set, tile, terms of a turn; and for each term multiply-adds, loads and instructions.
    assert!(has(&["avx512", "4x6", "1", "24", "10.0", "42.0"]), "{text}");
    assert!(has(&["avx512", "Lstm", "5", "164.0"]), "{text}");
}

#[test]
fn good_products_pass_for_every_set() {
    for (name, tile, figures) in [
        ("sse2", "2x1", ["1", "8", "6.0", "31.0"]),
        ("avx2", "6x1", ["1", "12", "8.0", "24.0"]),
        ("neon", "6x1", ["1", "24", "10.0", "36.0"]),
        ("simd128", "2x1", ["1", "8", "6.0", "31.0"]),
    ] {
        let (_, text) = check(name, &fixture(&format!("{name}.s")), &[]);
        let line = [&[name, tile], &figures[..]].concat();
        assert!(text.lines().any(|found| found.split_whitespace().eq(line.iter().copied())), "{text}");
        // The file has none of the cells.
        let of_products = misses(&text).into_iter().filter(|miss| !miss.contains("divisions"));
        assert_eq!(of_products.collect::<Vec<_>>(), [""; 0], "{name}");
    }
}

#[test]
fn a_loop_that_is_not_vectorised_is_refused() {
    let symbol = |text: &str| text.lines().find(|line| line.starts_with("_R")).unwrap_or_default().to_owned();
    let (good, scalar) = (fixture("avx512.s"), fixture("scalar.s"));
    let assembly = scalar.replace(&symbol(&scalar), &symbol(&good));
    let (code, text) = check("scalar", &assembly, &["--expect", "avx512"]);
    assert_eq!(
        misses(&text)[..5],
        [
            "avx512 4x6: operations on single floats: 16, the first is vfmadd213ss 1424(%rsp,%r12,4), %xmm2, %xmm4",
            "avx512 4x6: multiply-adds of 16 floats: 0 in a turn, no multiple of a term's 24",
            "avx512 4x6: loads: 33 for each term, more than 4 inputs and 6 registers of weights",
            "avx512 4x6: loads of floats from the stack: 16, the first is vfmadd213ss 1424(%rsp,%r12,4), %xmm2, %xmm4",
            "avx512 4x6: stores: 16, the first is vmovss %xmm4, 1424(%rsp,%r12,4)",
        ]
    );
    assert_eq!(code, Some(1));
}

#[test]
fn a_broken_loop_is_refused_with_what_is_wrong() {
    let good = fixture("avx512.s");
    let multiply_add = "\tvfmadd231ps\t%zmm29, %zmm30, %zmm0\n";
    assert_eq!(good.matches(multiply_add).count(), 1);
    let instead = |text: &str| good.replace(multiply_add, text);
    let beside = |text: &str| instead(&[multiply_add, text].concat());
    let count = "avx512 4x6: multiply-adds of 16 floats: 23 in a turn, no multiple of a term's 24";
    let loads = "avx512 4x6: loads: 11 for each term, more than 4 inputs and 6 registers of weights";

    refused(
        "spill",
        &beside("\tvmovups\t%zmm0, 64(%rsp)\n\tvmovups\t64(%rsp), %zmm0\n"),
        &[
            loads,
            "avx512 4x6: loads of floats from the stack: 1, the first is vmovups 64(%rsp), %zmm0",
            "avx512 4x6: stores: 1, the first is vmovups %zmm0, 64(%rsp)",
        ],
    );
    refused("fewer", &instead(""), &[count]);
    let narrow = "avx512 4x6: operations on vectors that fill no register: 1, the first is \
                  vfmadd231ps %ymm29, %ymm30, %ymm0";
    refused("narrow", &instead("\tvfmadd231ps\t%ymm29, %ymm30, %ymm0\n"), &[narrow, count]);
    refused(
        "single",
        &beside("\tvfmadd231ss\t%xmm29, %xmm30, %xmm31\n"),
        &["avx512 4x6: operations on single floats: 1, the first is vfmadd231ss %xmm29, %xmm30, %xmm31"],
    );
    refused(
        "apart",
        &instead("\tvmulps\t%zmm29, %zmm30, %zmm31\n\tvaddps\t%zmm31, %zmm0, %zmm0\n"),
        &[count, "avx512 4x6: multiplications and additions apart: 1 and 1 in a turn"],
    );
    refused("load", &instead("\tvfmadd231ps\t(%r10), %zmm30, %zmm0\n"), &[loads]);
    refused(
        "call",
        &beside("\tcallq\t*fmaf@GOTPCREL(%rip)\n"),
        &["avx512 4x6: calls: 1, the first is callq *fmaf@GOTPCREL(%rip)"],
    );
    refused(
        "no-loop",
        &good.replace("jb\t.LBB49_47", "jb\t.LBB49_48"),
        &["avx512 4x6: no loop that multiplies"],
    );
}

#[test]
fn what_should_be_there_and_is_not_is_missed() {
    let good = fixture("avx512.s");
    // Four rows and two panels, by the symbol.
    refused(
        "tile",
        &good.replace("Kj4_Kj6_E0uEB2b_:", "Kj4_Kj2_E0uEB2b_:"),
        &["avx512 4x6: there is no such tile, which is to do most of the work"],
    );
    let (code, text) = check("set", &good, &["--expect", "avx2,avx512"]);
    assert_eq!((code, misses(&text)), (Some(1), vec!["avx2: no loop for this instruction set"]));
    let (code, text) = check("nothing", "main:\n\tret\n", &[]);
    assert_eq!((code, &text[..]), (Some(2), "cpu-code: no loop of the library is in these files\n"));
}

#[test]
fn a_cell_that_is_not_vectorised_is_refused() {
    let good = fixture("avx512.s");
    let (before, tanh) = good.rsplit_once("_RINv").expect("the last function");
    let broken = tanh.replace("vdivps\t%zmm17, %zmm16, %zmm16", "vdivss\t%xmm17, %xmm16, %xmm16");
    refused(
        "cell",
        &[before, "_RINv", &broken].concat(),
        &[
            "avx512 Tanh: operations on single floats: 1, the first is vdivss %xmm17, %xmm16, %xmm16",
            "avx512 Tanh: no loop with the divisions of 16 floats that a block of units has: 1",
        ],
    );
}

#[test]
fn cells_that_are_inlined_are_told_by_their_divisions() {
    let cell = |divisions: usize| {
        let body = "\tdivps\t%xmm0, %xmm1\n".repeat(divisions);
        format!(".LBB0_{divisions}:\n{body}\tjne\t.LBB0_{divisions}\n")
    };
    let step = "_RNvMNtNtCs8eOBioI64Sr_8wgpu_rnn3cpu4cellNtB2_4Step3run:\n";
    let assembly = |divisions: &[usize]| {
        [fixture("sse2.s"), step.into(), divisions.iter().map(|&count| cell(count)).collect()].concat()
    };
    let (code, text) = check("inlined", &assembly(&[4, 12, 20]), &["--expect", "sse2"]);
    assert_eq!((code, misses(&text)), (Some(0), vec![]));
    let (code, text) = check("not-inlined", &assembly(&[4, 24]), &["--expect", "sse2"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        misses(&text),
        [
            "sse2 Lstm: no loop with the divisions of 4 floats that a block of units has: 20",
            "sse2 Gru: no loop with the divisions of 4 floats that a block of units has: 12"
        ]
    );
}
