//! The one error of the library.

use std::fmt::{self, Write};

use crate::{Cell, Config};

/// What went wrong: what was looked at, what was expected and what was found.
///
/// Where PyTorch has a message for the same mistake, the wording follows it. A call that returns an error has
/// changed nothing: the layer can be used again.
///
/// What comes from a file, such as a tensor's name, stands in the fields as it is and in the text with control characters
/// escaped, so that the text is one line and safe on a terminal.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A [`Config`](crate::Config) breaks a rule of PyTorch's constructors.
    #[error("{rule}, found {}", Line(.found))]
    Config {
        /// The option and its rule.
        rule: String,
        /// The value that was given.
        found: String,
    },

    /// A parameter that the configuration has is not among the tensors.
    #[error("{}: missing; expected a tensor of shape {expected}", Line(.name))]
    MissingParameter {
        /// The parameter's full name, with its prefix.
        name: String,
        /// Its shape, in numbers or, where the other tensors do not tell them, in letters.
        expected: String,
    },

    /// A tensor is named like a recurrent parameter, and the configuration has no such parameter.
    #[error("{}: unexpected parameter; {reason}", Line(.name))]
    UnexpectedParameter {
        /// The tensor's full name, with its prefix.
        name: String,
        /// Why the layer cannot have it.
        reason: String,
    },

    /// An array has another shape than the configuration gives it.
    #[error("{}: expected shape {expected:?}, found {found:?}", Line(.name))]
    Shape {
        /// The parameter or array.
        name: String,
        /// The shape that the configuration gives it.
        expected: Vec<usize>,
        /// The shape that it has.
        found: Vec<usize>,
    },

    /// The shape of a parameter fits no cell, so no configuration can be inferred.
    #[error("{}: shape {found:?}; expected {expected}", Line(.name))]
    UnknownShape {
        /// The parameter's full name, with its prefix.
        name: String,
        /// The shapes that would do.
        expected: String,
        /// The shape that it has.
        found: Vec<usize>,
    },

    /// The prefix of the layer's parameters is not there, or not the only one.
    #[error("{found}; expected {expected}")]
    Prefix {
        /// What would settle it.
        expected: String,
        /// The prefixes found.
        found: String,
    },

    /// A value is NaN or infinite where only finite ones are accepted.
    #[error("{}{index:?}: expected a finite value, found {found}", Line(.name))]
    NonFinite {
        /// The parameter or array.
        name: String,
        /// Where in it.
        index: Vec<usize>,
        /// The value.
        found: f64,
    },

    /// A weight is too large for the precision that it is to be stored with.
    #[error("{name}{index:?}: expected a weight that f16 can hold (at most 65504), found {found}")]
    Precision {
        /// The parameter.
        name: String,
        /// Where in it.
        index: Vec<usize>,
        /// The weight.
        found: f32,
    },

    /// The elements of a tensor have a type that cannot be used for it.
    #[error("{}: expected dtype {expected}, found {}", Line(.name), Line(.found))]
    Dtype {
        /// The tensor or array.
        name: String,
        /// The types that would do.
        expected: &'static str,
        /// The type that it has.
        found: String,
    },

    /// The input is neither `[N, T, I]` nor `[T, I]`.
    #[error("{cell}: Expected input to be 2D or 3D, got {found}D instead")]
    InputRank {
        /// The layer's cell.
        cell: Cell,
        /// Dimensions of the input.
        found: usize,
    },

    /// The input vectors have another size than the layer's.
    #[error("input.size(-1) must be equal to input_size. Expected {expected}, got {found}")]
    InputSize {
        /// The layer's `input_size`.
        expected: usize,
        /// Size of the input's last dimension.
        found: usize,
    },

    /// The input has no time steps.
    #[error("input: Expected sequence length to be larger than 0 in RNN, found 0")]
    NoSteps,

    /// The state has another number of dimensions than the input.
    #[error(
        "{name}: For {input_rank}-D input, {name} should also be {input_rank}-D but got {found}-D tensor"
    )]
    StateRank {
        /// `h_0` or `c_0`.
        name: &'static str,
        /// Dimensions of the input.
        input_rank: usize,
        /// Dimensions of the state.
        found: usize,
    },

    /// The initial state has the wrong shape.
    #[error("{name}: Expected hidden size {expected:?}, got {found:?}")]
    StateShape {
        /// `h_0` or `c_0`.
        name: &'static str,
        /// `[L*D, N, H_out]` for `h_0`, `[L*D, N, H]` for `c_0`, without N for unbatched input.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },

    /// A cell state was given to a cell that has none.
    #[error("c_0: expected none, since {cell} has no cell state, found shape {found:?}")]
    UnexpectedCellState {
        /// The layer's cell.
        cell: Cell,
        /// Shape of the `c_0` that was given.
        found: Vec<usize>,
    },

    /// There is not one length for each row of the batch.
    #[error("lengths: Expected `len(lengths)` to be equal to batch_size {expected}, but got {found}")]
    LengthsCount {
        /// N.
        expected: usize,
        /// Number of lengths given.
        found: usize,
    },

    /// A row's length is not within 0 and T.
    #[error("lengths[{row}]: expected 0 to {steps} (the input's steps), found {found}")]
    Length {
        /// The row.
        row: usize,
        /// T.
        steps: usize,
        /// The length given.
        found: i64,
    },

    /// A session of a layer with a reverse direction, which would have to begin at the end of a stream.
    #[error("session: expected a layer with a forward direction only, found {found}")]
    ReverseDirection {
        /// The layer.
        found: Box<Config>,
    },

    /// A session has no such row.
    #[error("rows: expected numbers of rows below {rows} (the session's rows), found {found}")]
    Row {
        /// R.
        rows: usize,
        /// The number given.
        found: usize,
    },

    /// A call names a session's row twice.
    #[error("rows: expected each row once, found {row} twice")]
    RowTwice {
        /// The row.
        row: usize,
    },

    /// The input has not one row for each row of a session that the call is about.
    #[error("input: expected {expected} rows (as many as the call is about), found {found}")]
    RowsCount {
        /// Rows that the call is about.
        expected: usize,
        /// N of the input.
        found: usize,
    },

    /// A file's contents are not what its format says.
    #[error("{}: expected {expected}, found {}", Line(.what), Line(.found))]
    Format {
        /// What was read.
        what: String,
        /// What the format asks for.
        expected: String,
        /// What is there.
        found: String,
    },

    /// A buffer on the GPU cannot serve as what it was given for.
    #[error("{name}: expected {expected}, found {found}")]
    Buffer {
        /// What it was given for.
        name: &'static str,
        /// The buffer that would do.
        expected: String,
        /// The buffer that was given.
        found: String,
    },

    /// No adapter can be had, or none of that name or index.
    #[error("no GPU adapter: expected {wanted}, found {found}")]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// The adapters that are there.
        found: String,
    },

    /// The adapter or device lacks a limit or feature that the kernels need.
    #[error("{what}: expected at least {needed}, found {found}")]
    Unsupported {
        /// The limit or feature.
        what: &'static str,
        /// What the kernels need.
        needed: u64,
        /// What the device has.
        found: u64,
    },

    /// There is no CPU instruction set of that name, or this machine does not have it.
    #[error("CPU instructions: expected one of {available}, found {}", Line(.found))]
    Instructions {
        /// What this machine has.
        available: String,
        /// What was asked for.
        found: String,
    },

    /// A buffer or grid would be larger than the device, or memory itself, allows.
    #[error("{what}: expected at most {limit}, found {needed}")]
    TooLarge {
        /// The buffer or dimension.
        what: String,
        /// What this call needs.
        needed: u64,
        /// What there is.
        limit: u64,
    },

    /// The device could not be opened.
    #[error("{adapter}: expected a device, found: {found}")]
    Device {
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        found: String,
    },

    /// The device was lost or destroyed. [`Layer::reload`](crate::Layer::reload) puts a layer on another one.
    #[error("device lost: {found}")]
    DeviceLost {
        /// The driver's reason.
        found: String,
    },

    /// The device or the host has no memory for what the call needs.
    #[error("out of memory: {found}")]
    OutOfMemory {
        /// What could not be had.
        found: String,
    },

    /// The device did not finish within [`LayerOptions::timeout`](crate::LayerOptions::timeout).
    #[error("the device did not finish: expected an answer within {expected:?}")]
    Timeout {
        /// How long was waited.
        expected: std::time::Duration,
    },

    /// The layer was to be reloaded and does not keep its weights.
    #[error(
        "weights: expected them to be kept (LayerOptions::keep_weights) or given again \
         (Layer::reload_with), found neither"
    )]
    WeightsNotKept,

    /// A layer was to be reloaded with the weights of another one.
    #[error("weights: expected those of {expected}, found those of {found}")]
    OtherConfig {
        /// What the layer is.
        expected: Box<Config>,
        /// What the weights belong to.
        found: Box<Config>,
    },

    /// wgpu refused a call: a defect of this crate or of the driver.
    #[error("wgpu refused a call (a defect of wgpu-rnn or of the driver): {found}")]
    Gpu {
        /// wgpu's reason.
        found: String,
    },
}

/// Text from a file, with its control characters escaped.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character.is_control() {
            true => write!(f, "{}", character.escape_default()),
            false => f.write_char(character),
        })
    }
}
