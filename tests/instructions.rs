//! The CPU backend's instruction sets: chosen, refused, and held against each other.

use std::time::Duration;

use wgpu_rnn::{Backend, Config, CpuInstructions, ErrorKind, Layer, LayerOptions, Weights};

#[path = "../examples/instructions/order.rs"]
mod order;

const SETS: [CpuInstructions; 3] = [CpuInstructions::Sse2, CpuInstructions::Avx2, CpuInstructions::Avx512];

fn faults(milliseconds: [u64; 3]) -> Vec<String> {
    let times: Vec<_> = SETS.into_iter().zip(milliseconds.map(Duration::from_millis)).collect();
    order::faults(&times)
}

/// The times of an AVX-512 copy that the compiler had not vectorised, among them.
#[test]
fn a_wider_set_that_is_slower_is_a_fault() {
    assert!(faults([1000, 228, 120]).is_empty());
    assert!(faults([1000, 228, 270]).is_empty());
    assert_eq!(
        faults([1000, 228, 3030]),
        [
            "avx512 takes 3030.000 ms, and sse2, which is narrower, 1000.000 ms",
            "avx512 takes 3030.000 ms, and avx2, which is narrower, 228.000 ms"
        ]
    );
}

#[test]
fn names_are_read_as_they_are_written() {
    let available: Vec<CpuInstructions> = CpuInstructions::available().collect();
    assert!(available.contains(&CpuInstructions::best().unwrap()));
    for instructions in available {
        assert_eq!(instructions.to_string().parse::<CpuInstructions>().unwrap(), instructions);
    }
}

#[test]
fn what_the_machine_lacks_is_refused() {
    let weights = Weights::seeded(Config::gru(3, 4), 0).unwrap();
    // No processor has both.
    let lacking = [CpuInstructions::Neon, CpuInstructions::Avx2]
        .into_iter()
        .find(|one| CpuInstructions::available().all(|available| available != *one))
        .unwrap();
    let options = LayerOptions { instructions: Some(lacking), ..LayerOptions::default() };
    let error = Layer::new(&weights, (Backend::Cpu, options.clone())).unwrap_err();
    assert!(
        error.kind() == ErrorKind::Config && error.to_string().ends_with(&format!("found {lacking}")),
        "{error}"
    );
    let error = "avx9".parse::<CpuInstructions>().unwrap_err();
    assert!(error.to_string().starts_with("CPU instructions: expected one of "), "{error}");
    assert!(error.to_string().ends_with(", found avx9"), "{error}");
    // The other backends do not look at it.
    assert!(Layer::new(&weights, (Backend::Reference, options)).is_ok());
}
