//! The shader files of each kernel.

use super::{KernelSpec, Kind};
use crate::{Cell, Precision};

/// The text of a shader file.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/", $name, ".wgsl"))
    };
}

pub(super) const COPY: &str = file!("copy");

/// Returns the texts whose concatenation is the kernel. WGSL allows any order of declarations, but naga 30
/// loses track of overrides that come after an array whose size depends on an override. The files with such
/// arrays, `scan.wgsl` and `product/workgroup.wgsl`, therefore come after all others with overrides.
pub(super) fn planned(spec: &KernelSpec) -> Vec<&'static str> {
    let own = match spec.kind {
        Kind::Gather | Kind::Scatter => return vec![file!("exchange")],
        Kind::InputProduct => vec![file!("input_product"), file!("memory")],
        Kind::Projection => vec![file!("projection"), file!("memory")],
        Kind::Candidate => {
            vec![file!("activation"), activations(spec), file!("candidate"), file!("memory")]
        }
        Kind::Step => [&elementwise(spec)[..], &[file!("step"), after_step(spec), file!("memory")]].concat(),
        Kind::Scan => [&elementwise(spec)[..], &[file!("scan"), after_scan_step(spec)]].concat(),
    };
    let weights = match spec.precision {
        Precision::F32 => file!("weights/f32"),
        Precision::F16 => file!("weights/f16"),
    };
    [&[file!("bindings"), weights][..], &own, &[file!("product"), rows(spec)]].concat()
}

/// Returns the elementwise part of a cell.
fn elementwise(spec: &KernelSpec) -> [&'static str; 4] {
    [file!("activation"), activations(spec), cell(spec), file!("unit")]
}

/// Returns ONNX's functions f, g and h.
fn activations(spec: &KernelSpec) -> &'static str {
    match (spec.variant, spec.cell) {
        (Some(_), _) => file!("activation/variant"),
        (None, Cell::Rnn(_)) => file!("activation/rnn"),
        (None, Cell::Lstm | Cell::Gru) => file!("activation/pytorch"),
    }
}

fn cell(spec: &KernelSpec) -> &'static str {
    match spec.cell {
        Cell::Gru if spec.resets_before() && spec.hoisted => file!("cell/reset_gates"),
        Cell::Gru if spec.resets_before() => file!("cell/reset_gru"),
        Cell::Gru => file!("cell/gru"),
        Cell::Lstm => file!("cell/lstm"),
        Cell::Rnn(_) => file!("cell/rnn"),
    }
}

/// Returns what `step` does with the result of the first product.
fn after_step(spec: &KernelSpec) -> &'static str {
    match (spec.resets_before(), spec.hoisted) {
        (true, true) => file!("step/reset_gates"),
        (true, false) => file!("step/reset"),
        (false, _) => file!("step/projection"),
    }
}

/// Returns what `scan` does with the result of the first product.
fn after_scan_step(spec: &KernelSpec) -> &'static str {
    if spec.resets_before() { file!("scan/reset") } else { file!("scan/projection") }
}

/// Returns the way in which the vectors of several rows get to all invocations.
fn rows(spec: &KernelSpec) -> &'static str {
    match spec.kind {
        _ if spec.subgroups => file!("product/subgroup"),
        Kind::Scan => file!("product/direct"),
        _ => file!("product/workgroup"),
    }
}
