//! The kernels of a layer. Each function describes one of them; everything else about a kernel follows from
//! its description (`stage.rs`). A new kernel or cell is a shader file and a description here.

use super::request::small;
use super::stage::{Operand, Pace, Product, Stage, Vector};
use crate::Strategy;
use crate::gpu::kernel::{File, MAX_ROWS, MAX_UNITS, Override, Tiling, WeightsIn, file, variant_overrides};
use crate::{Cell, Config};

/// Returns the stages of each layer, in the order of their dispatches. The planner sets their tilings.
pub(super) fn stages(config: &Config, strategy: Strategy) -> Vec<Stage> {
    let hoisted = strategy.is_hoisted();
    let mut stages = if hoisted { vec![input_product(config)] } else { Vec::new() };
    if strategy == Strategy::Scan {
        stages.push(scan(config));
    } else {
        stages.push(step(config, hoisted));
        stages.extend(second(config, hoisted));
    }
    stages
}

/// Returns the stages of a step that computes the input products itself, with the bits of those that are computed ahead.
/// An invocation has two sums for each of its columns, so it computes one row.
pub(super) fn apart(config: &Config) -> Vec<Stage> {
    let (mut step, second) = (step(config, false), second(config, false));
    step.words.push("apart".to_owned());
    step.overrides.push(Override::new("APART", true));
    step.most_rows = 1;
    [step].into_iter().chain(second.map(|second| Stage { most_rows: 1, ..second })).collect()
}

/// The input products of a chunk of steps.
fn input_product(config: &Config) -> Stage {
    let gates = config.cell.gates();
    Stage {
        words: vec![config.cell.to_string()],
        files: vec![file!("input_product"), file!("gates"), file!("memory")],
        others: vec![
            (WeightsIn::Registers, vec![file!("registers/input_product"), file!("gates"), file!("memory")]),
            (WeightsIn::Tiles, vec![file!("tiles/input_product"), file!("gates"), file!("memory")]),
        ],
        overrides: vec![Override::new("CELL_GATES", small(gates))],
        products: vec![Product { vector: Vector::Input, ..by_column(gates * config.hidden_size) }],
        reads: vec![Operand::Input],
        writes: vec![Operand::Gates(gates)],
        ..stage(config, "input_product", Pace::Rows)
    }
}

/// One step. If the step has a second product, the first one only.
fn step(config: &Config, hoisted: bool) -> Stage {
    let (cell, product) = cell(config, hoisted);
    let second = second(config, hoisted);
    let after = match (config.resets_before(), hoisted) {
        (true, true) => file!("step/reset_gates"),
        (true, false) => file!("step/reset"),
        (false, _) => file!("step/projection"),
    };
    let elementwise = elementwise(config, cell);
    let with = |text| [&elementwise[..], &[text, file!("step/row"), after, file!("memory")]].concat();
    let of_input = Product { vector: Vector::Input, ..product };
    let input = if hoisted { Operand::Gates(product.width() / config.hidden_size) } else { Operand::Input };
    Stage {
        words: recurrent_words(config, hoisted),
        files: with(file!("step")),
        others: vec![
            (WeightsIn::Blocks, with(file!("blocks/step"))),
            (WeightsIn::Tiles, with(file!("tiles/step"))),
        ],
        overrides: recurrent_overrides(config, hoisted),
        products: if hoisted { vec![product] } else { vec![of_input, product] },
        reads: vec![input, Operand::Hidden, Operand::Cell],
        writes: match second {
            Some(second) => vec![second.reads[0], Operand::Cell],
            None => vec![Operand::Hidden, Operand::Cell, Operand::Output],
        },
        ..stage(config, "step", Pace::Step)
    }
}

/// A chunk of steps, with both products of each step.
fn scan(config: &Config) -> Stage {
    let (cell, product) = cell(config, true);
    let after = if config.resets_before() { file!("scan/reset") } else { file!("scan/projection") };
    let elementwise = elementwise(config, cell);
    let with = |text| [&elementwise[..], &[text, file!("memory")]].concat();
    Stage {
        words: recurrent_words(config, false),
        files: [&elementwise[..], &[file!("scan"), after]].concat(),
        // The second product of a step would need the other units' first one, and weights of its own.
        others: match second(config, true) {
            None => vec![
                (WeightsIn::Registers, with(file!("registers/scan"))),
                (WeightsIn::Parts, with(file!("parts/scan"))),
            ],
            Some(_) => Vec::new(),
        },
        overrides: recurrent_overrides(config, true),
        products: [product]
            .into_iter()
            .chain(second(config, true).map(|second| second.products[0]))
            .collect(),
        reads: vec![Operand::Gates(config.cell.gates()), Operand::Hidden, Operand::Cell],
        writes: vec![Operand::Hidden, Operand::Cell, Operand::Output],
        ..stage(config, "scan", Pace::Loop)
    }
}

/// The second product of a step, which needs the whole result of the first one, if the layer has one. Its
/// first operand is that result.
fn second(config: &Config, hoisted: bool) -> Option<Stage> {
    if config.proj_size > 0 {
        Some(projection(config))
    } else {
        config.resets_before().then(|| candidate(config, hoisted))
    }
}

/// The projection of an LSTM's hidden state.
fn projection(config: &Config) -> Stage {
    let with = |text| vec![file!("projection"), text, file!("second/columns"), file!("memory")];
    Stage {
        files: with(file!("second")),
        others: vec![(WeightsIn::Blocks, with(file!("blocks/second")))],
        products: vec![by_column(config.proj_size)],
        reads: vec![Operand::Intermediate { stored: 1, used: 1 }],
        writes: vec![Operand::Hidden, Operand::Output],
        ..stage(config, "projection", Pace::Step)
    }
}

/// The gate n and with it the hidden state of a GRU that resets before the recurrent product. The first
/// product stores r h, z, and the input's share of n unless that was computed ahead.
fn candidate(config: &Config, hoisted: bool) -> Stage {
    let stored = Operand::Intermediate { stored: 3, used: if hoisted { 2 } else { 3 } };
    let of_input = if hoisted { Some(Operand::Gates(1)) } else { None };
    let overrides = [Override::new("HOISTED", hoisted)].into_iter().chain(variant_overrides(config));
    let with = |text| {
        [&activations(config)[..], &[file!("candidate"), text, file!("second/columns"), file!("memory")]]
            .concat()
    };
    Stage {
        words: if hoisted { vec!["hoisted".to_owned()] } else { Vec::new() },
        files: with(file!("second")),
        others: vec![(WeightsIn::Blocks, with(file!("blocks/second")))],
        overrides: overrides.collect(),
        products: vec![by_column(config.hidden_size)],
        reads: [stored, Operand::Hidden].into_iter().chain(of_input).collect(),
        writes: vec![Operand::Hidden, Operand::Output],
        ..stage(config, "candidate", Pace::Step)
    }
}

/// The file of a cell's elementwise part, and the recurrent product whose result it takes.
fn cell(config: &Config, hoisted: bool) -> (File, Product) {
    let units = config.hidden_size;
    let by_unit = |columns| Product { vector: Vector::Hidden, items: units, each: 1, columns };
    let by_column = |columns| Product { vector: Vector::Hidden, ..by_column(columns) };
    match config.cell {
        Cell::RnnTanh | Cell::RnnRelu => (file!("cell/rnn"), by_column(units)),
        Cell::Lstm => (file!("cell/lstm"), by_unit(4)),
        Cell::Gru if config.resets_before() && hoisted => (file!("cell/reset_gates"), by_column(2 * units)),
        Cell::Gru if config.resets_before() => (file!("cell/reset_gru"), by_unit(3)),
        Cell::Gru => (file!("cell/gru"), by_unit(3)),
    }
}

/// A product with vectors of H elements. Each invocation computes four columns.
fn by_column(columns: usize) -> Product {
    Product { vector: Vector::Units, items: columns, each: 4, columns: 1 }
}

/// The files of a cell's elementwise part.
fn elementwise(config: &Config, cell: File) -> [File; 4] {
    let [activation, functions] = activations(config);
    [activation, functions, cell, file!("unit")]
}

/// The files of the activation functions, with ONNX's f, g and h.
fn activations(config: &Config) -> [File; 2] {
    let functions = match config.cell {
        _ if config.is_variant() => file!("activation/variant"),
        Cell::RnnTanh | Cell::RnnRelu => file!("activation/rnn"),
        Cell::Lstm | Cell::Gru => file!("activation/pytorch"),
    };
    [file!("activation"), functions]
}

fn recurrent_overrides(config: &Config, hoisted: bool) -> Vec<Override> {
    let two_products = second(config, hoisted).is_some();
    let mut overrides = vec![Override::new("HOISTED", hoisted), Override::new("TWO_PRODUCTS", two_products)];
    match config.cell {
        Cell::RnnTanh | Cell::RnnRelu if !config.is_variant() => {
            overrides.push(Override::new("RELU", config.cell == Cell::RnnRelu));
        }
        Cell::Lstm if config.is_variant() => {
            overrides.push(Override::new("INPUT_FORGET", config.input_forget));
            overrides.push(Override::new("PEEPHOLES", config.peepholes));
        }
        _ => {}
    }
    if config.is_variant() {
        overrides.extend(variant_overrides(config));
    }
    overrides
}

fn recurrent_words(config: &Config, hoisted: bool) -> Vec<String> {
    let cell = config.cell.to_string();
    let of_variant = if config.resets_before() { "reset before" } else { "variant" };
    let words = [
        (true, &*cell),
        (config.cell == Cell::RnnRelu, "relu"),
        (hoisted, "hoisted"),
        (config.is_variant(), of_variant),
        (config.proj_size > 0, "projected"),
    ];
    words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word.to_owned()).collect()
}

/// The fields that most descriptions share.
fn stage(config: &Config, entry_point: &'static str, pace: Pace) -> Stage {
    Stage {
        config: *config,
        entry_point,
        layers: 0..config.num_layers,
        words: Vec::new(),
        files: Vec::new(),
        others: Vec::new(),
        overrides: Vec::new(),
        pace,
        products: Vec::new(),
        reads: Vec::new(),
        writes: Vec::new(),
        tiling: Tiling { units: MAX_UNITS, rows: 1, weights: WeightsIn::Buffer },
        most_rows: MAX_ROWS,
    }
}
