//! Which flags a command requires, and which of them exclude each other.

use clap::Arg;

use crate::shape::{NEEDED, OPTIONAL};

/// The flags that give a file with the layer.
pub(super) const FILES: [&str; 3] = ["weights", "model", "keras"];
/// The flags whose file also determines the activation of an RNN.
pub(super) const WITH_ACTIVATION: [&str; 2] = ["model", "keras"];

/// Makes the flags required that define a layer.
pub(super) fn needed(arg: Arg) -> Arg {
    let needed = NEEDED.contains(&arg.get_id().as_str());
    if needed { arg.required(true) } else { arg }
}

/// Makes the flags that define a layer required without a file, and refuses them with one.
pub(super) fn needed_without_file(arg: Arg) -> Arg {
    let name = arg.get_id().as_str();
    let (needed, optional) = (NEEDED.contains(&name), OPTIONAL.contains(&name));
    let is_nonlinearity = name == "nonlinearity";
    let arg = if needed { arg.required_unless_present_any(FILES) } else { arg };
    let arg = if is_nonlinearity { arg.conflicts_with_all(WITH_ACTIVATION) } else { arg };
    if needed || optional { arg.conflicts_with_all(FILES) } else { arg }
}

/// Makes the flags that define a layer required without a file or the grid. The grid defines all of its
/// layers except their cell, so it refuses the other flags.
pub(super) fn needed_without_grid(arg: Arg) -> Arg {
    let arg = needed_without_file(arg);
    let name = arg.get_id().as_str();
    let (needed, is_cell) = (NEEDED.contains(&name), name == "cell");
    let shape =
        needed || [&OPTIONAL[..], &FILES, &["nonlinearity", "batch", "steps"]].concat().contains(&name);
    let arg = if needed { arg.required_unless_present("grid") } else { arg };
    if shape && !is_cell { arg.conflicts_with("grid") } else { arg }
}
