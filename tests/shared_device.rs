//! The example's program, on every adapter.

use wgpu_rnn::Gpu;

use crate::harness::on_each_adapter;

// The example itself: what is tested is what a user runs.
#[path = "../examples/shared_device/program.rs"]
mod program;

#[test]
fn a_program_with_its_own_passes_gets_the_cpus_result() {
    let weights = program::weights().unwrap();
    let expected = program::on_cpu(&weights).unwrap();
    on_each_adapter(|gpu| {
        let run = |gpu: &Gpu| program::run(gpu.device(), gpu.queue(), &weights).unwrap();
        let mut means = run(gpu);
        let (_, part) = program::difference(&means, &expected);
        assert!(part <= 1.0, "{part} of what is allowed on {gpu}");
        // A wrong one would be told.
        means[[3, 7]] += 1e-3;
        assert!(program::difference(&means, &expected).1 > 1.0);
        means[[3, 7]] = f32::NAN;
        assert!(program::difference(&means, &expected).1 > 1.0);
    });
}
