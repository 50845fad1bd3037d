//! Tests of the rule that need no GPU.

mod cpu;

use std::time::Duration;

use wgpu::DeviceType;

use super::*;
use crate::{ErrorKind, Strategy};

const DISCRETE: DeviceType = DeviceType::DiscreteGpu;
const INTEGRATED: DeviceType = DeviceType::IntegratedGpu;

fn gpu(device_type: DeviceType) -> Adapter {
    let capabilities = Capabilities {
        discrete: device_type == DISCRETE,
        software: device_type == DeviceType::Cpu,
        ..Capabilities::default()
    };
    Adapter::new(format!("{device_type:?}"), capabilities)
}

fn machine(adapters: &[DeviceType], threads: usize) -> Machine {
    let adapters = adapters.iter().copied().map(gpu).collect();
    Machine { adapters, threads, instructions: CpuInstructions::Avx2 }
}

fn decide(machine: &Machine, config: Config, batch: usize, steps: usize) -> Verdict {
    machine.decide(&config, batch, steps, &LayerOptions::default())
}

/// Returns the kind of reason: `small`, `cpu`, `close` or `gpu`.
fn outcome(machine: &Machine, (config, batch, steps): (Config, usize, usize)) -> &'static str {
    let verdict = decide(machine, config, batch, steps);
    let what = match &verdict.reason {
        Reason::TooSmall { .. } => "small",
        Reason::CpuFaster { .. } => "cpu",
        Reason::TooClose { .. } => "close",
        Reason::GpuFaster { .. } => "gpu",
        other => panic!("{other}"),
    };
    assert_eq!(verdict.adapter, (what == "gpu").then_some(0), "{}", verdict.reason);
    what
}

/// Returns the expected speedup of the GPU over the CPU, or 0 if no GPU is considered.
fn advantage(machine: &Machine, config: Config, batch: usize, steps: usize) -> f64 {
    decide(machine, config, batch, steps).reason.expected().map_or(0.0, |expected| expected.speedup())
}

/// Returns the eight standard cases of `bench --grid`, for an LSTM.
fn grid() -> [(Config, usize, usize); 8] {
    let stacked = Config::lstm(80, 256).num_layers(2);
    [
        (Config::lstm(5, 8), 1, 100),
        (stacked, 1, 1),
        (Config::lstm(64, 128), 1, 100),
        (Config::lstm(20, 64).bidirectional(true), 128, 100),
        (stacked, 8, 200),
        (Config::lstm(512, 512), 32, 64),
        (Config::lstm(512, 1024), 64, 128),
        (Config::lstm(64, 128), 1, 4096),
    ]
}

#[test]
fn much_work_goes_to_a_gpu_and_little_to_the_cpu() {
    let mut wrong = String::new();
    for (device_type, threads, expected) in [
        (DISCRETE, 1, ["small", "small", "cpu", "gpu", "gpu", "gpu", "gpu", "close"]),
        (DISCRETE, 8, ["small", "small", "small", "gpu", "close", "gpu", "gpu", "cpu"]),
        (DISCRETE, 32, ["small", "small", "small", "cpu", "close", "gpu", "gpu", "cpu"]),
        (INTEGRATED, 1, ["small", "small", "cpu", "gpu", "gpu", "gpu", "gpu", "cpu"]),
        (INTEGRATED, 8, ["small", "small", "small", "close", "cpu", "gpu", "gpu", "cpu"]),
        (INTEGRATED, 32, ["small", "small", "small", "cpu", "cpu", "close", "close", "cpu"]),
    ] {
        let machine = machine(&[device_type], threads);
        let found = grid().map(|work| outcome(&machine, work));
        if found != expected {
            wrong += &format!("{device_type:?}, {threads} threads: {found:?}, expected {expected:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn an_integrated_gpu_is_taken_where_a_discrete_one_is_at_most() {
    for threads in [1, 2, 8, 32] {
        for work in grid() {
            let [integrated, discrete] =
                [INTEGRATED, DISCRETE].map(|kind| outcome(&machine(&[kind], threads), work) == "gpu");
            assert!(discrete || !integrated, "{} N={} T={}", work.0, work.1, work.2);
        }
    }
    for unknown in [DeviceType::VirtualGpu, DeviceType::Other] {
        for work in grid() {
            let [found, expected] = [unknown, INTEGRATED].map(|kind| outcome(&machine(&[kind], 4), work));
            assert_eq!(found, expected, "{unknown:?}");
        }
    }
}

#[test]
fn software_adapters_are_never_taken() {
    let software = [DeviceType::Cpu; 2];
    for (config, batch, steps) in grid().into_iter().chain([(Config::lstm(4096, 4096), 4096, 4096)]) {
        let verdict = decide(&machine(&software, 1), config, batch, steps);
        assert_eq!(verdict.adapter, None);
        let explained = matches!(verdict.reason, Reason::SoftwareOnly);
        assert!(explained || matches!(verdict.reason, Reason::TooSmall { .. }), "{}", verdict.reason);
        // With hardware present, software adapters are ignored; the returned index counts all adapters.
        let both = decide(&machine(&[DeviceType::Cpu, DISCRETE], 1), config, batch, steps);
        let alone = decide(&machine(&[DISCRETE], 1), config, batch, steps);
        assert_eq!(both.adapter, alone.adapter.map(|place| place + 1));
    }
}

#[test]
fn a_gpu_that_wins_with_all_threads_at_work_wins_with_more_rows() {
    let mut wins = 0;
    for (device_type, threads) in
        [(DISCRETE, 1), (DISCRETE, 8), (DISCRETE, 64), (INTEGRATED, 1), (INTEGRATED, 8)]
    {
        let machine = machine(&[device_type], threads);
        for cell in [Config::rnn, Config::lstm, Config::gru] {
            for (size, steps) in
                [8, 64, 128, 256, 512].into_iter().flat_map(|h| [1, 10, 100, 1000].map(|t| (h, t)))
            {
                // Weights that exceed the CPU's caches are read once per step, whatever the number of rows.
                for config in [cell(size, size), cell(size, size).bidirectional(true)] {
                    // With fewer rows the CPU has idle threads, and more rows cost it nothing.
                    let rows = (0..8).map(|doublings| threads.max(8) << doublings);
                    let times: Vec<f64> = rows.map(|rows| advantage(&machine, config, rows, steps)).collect();
                    let won = times.iter().skip_while(|&&times| times < cost::MARGIN);
                    // The estimate is not quite monotonic, because of pieces of the batch and other discrete
                    // steps of the plan.
                    let wins_on = won.clone().all(|&times| times > 0.85 * cost::MARGIN);
                    assert!(wins_on, "{config}, T={steps} on {device_type:?} and {threads}: {times:?}");
                    wins += won.count();
                }
            }
        }
    }
    assert!(wins > 100, "{wins}");
}

#[test]
fn more_work_is_never_expected_to_take_less() {
    let us = |config: &Config, batch, steps, threads| {
        let work = Work { config, batch, steps, options: &LayerOptions::default() };
        let gpu = cost::gpu_us(&work, &gpu(DISCRETE).capabilities).unwrap();
        [cost::cpu_us(&work, threads, CpuInstructions::Avx2), gpu]
    };
    for (config, batch, steps) in grid() {
        let base = us(&config, batch, steps, 4);
        for (what, more) in [
            ("rows", us(&config, 16 * batch, steps, 4)),
            ("steps", us(&config, batch, 2 * steps, 4)),
            ("layers", us(&config.num_layers(config.num_layers + 1), batch, steps, 4)),
            ("directions", us(&config.bidirectional(true), 4 * batch, steps, 4)),
        ] {
            assert!(more[0] > base[0] && more[1] > base[1], "{config}, more {what}: {more:?}, {base:?}");
        }
        assert!(us(&config, batch, steps, 2)[0] >= base[0]);
    }
}

#[test]
fn the_fastest_gpu_that_can_run_it_is_taken() {
    let work = (Config::lstm(512, 1024), 64, 128);
    let place = |machine: &Machine| decide(machine, work.0, work.1, work.2).adapter;
    assert_eq!(place(&machine(&[INTEGRATED, DISCRETE], 2)), Some(1));
    let mut broken = machine(&[DISCRETE, INTEGRATED], 2);
    broken.adapters[0].capabilities.max_storage_buffers_per_shader_stage = 4;
    assert_eq!(place(&broken), Some(1));
    broken.adapters.pop();
    let verdict = decide(&broken, work.0, work.1, work.2);
    assert_eq!(verdict.adapter, None);
    let text = "DiscreteGpu cannot run it: storage buffers per shader stage: expected at least 8, found 4";
    assert_eq!(verdict.reason.to_string(), text);
    let too_large = decide(&machine(&[DISCRETE], 2), Config::lstm(8, 8192).proj_size(4096), 1, 10);
    assert!(
        matches!(&too_large.reason, Reason::Unusable { error, .. } if error.kind() == ErrorKind::TooLarge)
    );
}

#[test]
fn a_forced_strategy_is_what_is_expected_of_the_gpu() {
    let (config, batch, steps) = (Config::lstm(20, 64).bidirectional(true), 128, 100);
    let expected = |strategy| {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        machine(&[DISCRETE], 8).decide(&config, batch, steps, &options).reason.expected().unwrap()
    };
    assert!(expected(Strategy::Step).gpu > expected(Strategy::Scan).gpu);
    assert_eq!(expected(Strategy::Step).cpu, expected(Strategy::Scan).cpu);
}

#[test]
fn nothing_breaks_on_sizes_that_are_none() {
    let machine = machine(&[DISCRETE], 4);
    for (config, batch, steps) in [
        (Config::lstm(0, 0), 0, 0),
        (Config::lstm(8, 8), 0, 10),
        (Config::gru(8, 8), 10, 0),
        (Config::rnn(usize::MAX, usize::MAX), usize::MAX, usize::MAX),
        (Config::lstm(1 << 20, 1 << 20), 1, 1),
    ] {
        assert_eq!(decide(&machine, config, batch, steps).adapter, None);
        assert_eq!(decide(&Machine { threads: 0, ..machine.clone() }, config, batch, steps).adapter, None);
    }
}

/// Opens the tested adapter as if the rule had chosen it.
#[test]
fn what_is_taken_is_opened() {
    let Some(tested) = gpu::tests::gpu() else { return };
    let adapters = pollster::block_on(gpu::available());
    let place = adapters.iter().position(|adapter| adapter.get_info() == *tested.info()).unwrap();
    // The capabilities that are known before opening are those of the device.
    let known = &Machine::with(&adapters).adapters[place];
    assert_eq!(&known.capabilities, tested.capabilities());
    let expected = Expected::new(2.0, 1.0);
    let reason = || Reason::GpuFaster { expected };
    let opened = |adapter| pollster::block_on(open(&adapters, Verdict { adapter, reason: reason() }));
    let (backend, reason) = opened(Some(place));
    assert!(matches!(&backend, Backend::Gpu(gpu) if gpu.info() == tested.info()), "{backend}");
    assert!(matches!(reason, Reason::GpuFaster { .. }));
    assert!(matches!(opened(None).0, Backend::Cpu));
    assert!(matches!(opened(Some(adapters.len())).0, Backend::Cpu));
}

#[test]
fn reasons_are_told() {
    let expected = |cpu, gpu| Expected { cpu: Duration::from_micros(cpu), gpu: Duration::from_micros(gpu) };
    let adapter = || "X (vulkan)".to_owned();
    for (reason, text) in [
        (
            Reason::TooSmall { cpu: Duration::from_micros(19), submission: Duration::from_micros(200) },
            "there is too little work for a GPU (cpu 0.019 ms, a GPU's answer alone 0.200 ms)",
        ),
        (
            machine(&[], 4).without_hardware(),
            "no GPU adapter: expected a hardware adapter, found none (is a Vulkan, Metal, DX12 or GL driver installed?)",
        ),
        (Reason::SoftwareOnly, "there are only software adapters, which run on the CPU and are slow"),
        (
            Reason::CpuFaster { adapter: adapter(), expected: expected(1_000, 2_500) },
            "the CPU is expected to be 2.5 times as fast as X (vulkan) (cpu 1.00 ms, gpu 2.50 ms)",
        ),
        (
            Reason::TooClose { adapter: adapter(), expected: expected(3_000, 2_000) },
            "X (vulkan) is expected to be only 1.50 times as fast as the CPU (cpu 3.00 ms, gpu 2.00 ms)",
        ),
        (
            Reason::GpuFaster { expected: expected(100_000, 2_000) },
            "it is expected to be 50.0 times as fast as the CPU (cpu 100.0 ms, gpu 2.00 ms)",
        ),
    ] {
        assert_eq!(reason.to_string(), text);
    }
    let choice = Backend::auto(&Config::lstm(5, 8), 1, 1, &LayerOptions::default());
    assert_eq!(choice.to_string(), format!("cpu, since {}", choice.reason));
}
