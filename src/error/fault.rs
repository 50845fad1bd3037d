//! The faults behind errors, and their texts.

use std::fmt::{self, Write};

use super::ErrorKind;
use crate::{Cell, Config};

/// A fault: its fields hold the checked thing, the expectation and the finding.
///
/// Text from a file, such as a tensor's name, is unchanged in the fields. The message escapes its control
/// characters, so that the message is one line and safe on a terminal.
#[derive(Clone, Debug, thiserror::Error)]
#[cfg_attr(
    any(
        target_arch = "wasm32",
        not(all(feature = "gpu", feature = "safetensors", feature = "npz", feature = "onnx"))
    ),
    allow(dead_code, reason = "some faults are those of a feature, or of what blocks")
)]
pub(crate) enum Fault {
    /// A [`Config`](crate::Config) breaks a rule of PyTorch's constructors.
    #[error("{rule}, found {}", Line(.found))]
    Config {
        /// The option and its rule.
        rule: String,
        /// The value that was given.
        found: String,
    },

    /// The tensors lack a parameter of the configuration.
    #[error("{}: missing; expected a tensor of shape {expected}", Line(.name))]
    MissingParameter {
        /// The parameter's full name, with its prefix.
        name: String,
        /// Its shape, in numbers, or in letters where the other tensors do not determine the numbers.
        expected: String,
    },

    /// A tensor has the name of a recurrent parameter that the configuration does not have.
    #[error("{}: unexpected parameter; {reason}", Line(.name))]
    UnexpectedParameter {
        /// The tensor's full name, with its prefix.
        name: String,
        /// Why the layer cannot have it.
        reason: String,
    },

    /// The shape of an array differs from the one that the configuration requires.
    #[error("{}: expected shape {expected:?}, found {found:?}", Line(.name))]
    Shape {
        /// The parameter or array.
        name: String,
        /// The shape that the configuration requires.
        expected: Vec<usize>,
        /// The array's shape.
        found: Vec<usize>,
    },

    /// The shape of a parameter fits no cell, so no configuration can be inferred.
    #[error("{}: shape {found:?}; expected {expected}", Line(.name))]
    UnknownShape {
        /// The parameter's full name, with its prefix.
        name: String,
        /// The shapes that would fit.
        expected: String,
        /// The parameter's shape.
        found: Vec<usize>,
    },

    /// No parameters have the given prefix, or parameters with several prefixes exist and none was chosen.
    #[error("{found}; expected {expected}")]
    Prefix {
        /// The names or options that would resolve it.
        expected: String,
        /// The prefixes found.
        found: String,
    },

    /// A value is NaN or infinite where only finite values are accepted.
    #[error("{}{index:?}: expected a finite value, found {found}", Line(.name))]
    NonFinite {
        /// The parameter or array.
        name: String,
        /// The index of the value.
        index: Vec<usize>,
        /// The value.
        found: f64,
    },

    /// A weight is too large for the precision in which it would be stored.
    #[error("{name}{index:?}: expected a weight that f16 can hold (at most 65504), found {found}")]
    Precision {
        /// The parameter.
        name: String,
        /// The index of the weight.
        index: Vec<usize>,
        /// The weight.
        found: f32,
    },

    /// The element type of a tensor is not accepted.
    #[error("{}: expected dtype {expected}, found {}", Line(.name), Line(.found))]
    Dtype {
        /// The tensor or array.
        name: String,
        /// The accepted types.
        expected: &'static str,
        /// The tensor's type.
        found: String,
    },

    /// The input is neither `[N, T, I]` nor `[T, I]`.
    #[error("{cell}: Expected input to be 2D or 3D, got {found}D instead")]
    InputRank {
        /// The layer's cell.
        cell: Cell,
        /// The number of dimensions of the input.
        found: usize,
    },

    /// The size of the input vectors differs from the layer's `input_size`.
    #[error("input.size(-1) must be equal to input_size. Expected {expected}, got {found}")]
    InputSize {
        /// The layer's `input_size`.
        expected: usize,
        /// The size of the input's last dimension.
        found: usize,
    },

    /// The input has no time steps.
    #[error("input: Expected sequence length to be larger than 0 in RNN, found 0")]
    NoSteps,

    /// The state and the input have different numbers of dimensions.
    #[error(
        "{name}: For {input_rank}-D input, {name} should also be {input_rank}-D but got {found}-D tensor"
    )]
    StateRank {
        /// `h_0` or `c_0`.
        name: &'static str,
        /// The number of dimensions of the input.
        input_rank: usize,
        /// The number of dimensions of the state.
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
        /// The shape of the given `c_0`.
        found: Vec<usize>,
    },

    /// The number of lengths differs from the number of rows of the batch.
    #[error("lengths: Expected `len(lengths)` to be equal to batch_size {expected}, but got {found}")]
    LengthsCount {
        /// N.
        expected: usize,
        /// The number of given lengths.
        found: usize,
    },

    /// A row's length is not between 0 and T.
    #[error("lengths[{row}]: expected 0 to {steps} (the input's steps), found {found}")]
    Length {
        /// The row.
        row: usize,
        /// T.
        steps: usize,
        /// The given length.
        found: i64,
    },

    /// The layer has a reverse direction, so it cannot have a session: that direction begins at the end of a
    /// stream.
    #[error("session: expected a layer with a forward direction only, found {found}")]
    ReverseDirection {
        /// The layer's configuration.
        found: Box<Config>,
    },

    /// A call lists a row that the session does not have.
    #[error("rows: row {found} is out of range; the session has {}", RowRange(.rows))]
    Row {
        /// The number of rows of the session, R. Valid rows are 0 to R-1.
        rows: usize,
        /// The row that was listed.
        found: usize,
    },

    /// A call lists a row of a session twice.
    #[error("rows: expected each row once, found {row} twice")]
    RowTwice {
        /// The row.
        row: usize,
    },

    /// The input does not have one row for each row that the call lists. A call without a list is for all
    /// rows of the session.
    #[error("input: expected {expected} rows, one for each listed row of the session, found {found}")]
    RowsCount {
        /// The number of listed rows.
        expected: usize,
        /// The number of rows of the input, N.
        found: usize,
    },

    /// The input has a part that has no meaning in this call.
    #[error("{name}: expected none, since {reason}, found some")]
    NotInCall {
        /// The part: `state`, `rows` or `timed`.
        name: &'static str,
        /// Why the call cannot use it.
        reason: &'static str,
    },

    /// A call needs a layer on a GPU.
    #[error("encode: expected a layer on a GPU, found one on {found}")]
    NotOnGpu {
        /// The layer's backend.
        found: String,
    },

    /// The contents of a file violate its format.
    #[error("{}: expected {expected}, found {}", Line(.what), Line(.found))]
    Format {
        /// What was read.
        what: String,
        /// What the format requires.
        expected: String,
        /// What the file contains.
        found: String,
    },

    /// A GPU buffer of the caller is unsuitable for its purpose.
    #[error("{name}: expected {expected}, found {found}")]
    Buffer {
        /// The buffer's purpose, such as `input`.
        name: &'static str,
        /// The requirement that the buffer does not meet.
        expected: String,
        /// The property of the given buffer.
        found: String,
    },

    /// No adapter is available, or none has the requested name or index.
    #[error("no GPU adapter: expected {wanted}, found {found}")]
    NoAdapter {
        /// The requested adapter.
        wanted: String,
        /// The available adapters.
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

    /// No CPU instruction set has that name, or this machine does not support it.
    #[error("CPU instructions: expected one of {available}, found {}", Line(.found))]
    Instructions {
        /// The sets that this machine supports.
        available: String,
        /// The requested name.
        found: String,
    },

    /// A buffer or grid would be larger than the device, or memory itself, allows.
    #[error("{what}: expected at most {limit}, found {needed}")]
    TooLarge {
        /// The buffer or dimension.
        what: String,
        /// The size that this call needs.
        needed: u64,
        /// The largest size that is allowed.
        limit: u64,
    },

    /// A GPU was asked for in a build without the feature `gpu`.
    #[cfg(not(feature = "gpu"))]
    #[error(
        "gpu: expected a build of wgpu-rnn with the feature `gpu`, found one without it; build it with the \
         feature, or choose the CPU"
    )]
    NoFeature,

    /// The device could not be opened.
    #[error("{adapter}: expected a device, found: {found}")]
    Device {
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        found: String,
    },

    /// The device was lost or destroyed.
    #[error("device lost: {found}")]
    DeviceLost {
        /// The driver's reason.
        found: String,
    },

    /// The device or the host lacks the memory (or the thread) that the call needs.
    #[error("out of memory: {found}")]
    OutOfMemory {
        /// What could not be allocated.
        found: String,
    },

    /// The device did not finish within [`LayerOptions::timeout`](crate::LayerOptions::timeout).
    #[error("the device did not finish: expected an answer within {expected:?}")]
    Timeout {
        /// The time-out.
        expected: std::time::Duration,
    },

    /// The error of a program that uses this crate.
    #[error("{}", Line(.message))]
    Other {
        /// Its message.
        message: String,
    },

    /// wgpu refused a call. This is a defect of this crate or of the driver.
    #[error("wgpu refused a call (a defect of wgpu-rnn or of the driver): {found}")]
    Gpu {
        /// wgpu's reason.
        found: String,
    },
}

impl Fault {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Fault::Config { .. }
            | Fault::Instructions { .. }
            | Fault::ReverseDirection { .. }
            | Fault::NotOnGpu { .. } => ErrorKind::Config,
            Fault::MissingParameter { .. }
            | Fault::UnexpectedParameter { .. }
            | Fault::Shape { .. }
            | Fault::UnknownShape { .. }
            | Fault::Prefix { .. }
            | Fault::NonFinite { .. }
            | Fault::Precision { .. }
            | Fault::Dtype { .. } => ErrorKind::Tensor,
            Fault::Format { .. } => ErrorKind::File,
            Fault::InputRank { .. }
            | Fault::InputSize { .. }
            | Fault::NoSteps
            | Fault::StateRank { .. }
            | Fault::StateShape { .. }
            | Fault::UnexpectedCellState { .. }
            | Fault::LengthsCount { .. }
            | Fault::Length { .. }
            | Fault::Row { .. }
            | Fault::RowTwice { .. }
            | Fault::RowsCount { .. }
            | Fault::NotInCall { .. }
            | Fault::Buffer { .. } => ErrorKind::Input,
            Fault::NoAdapter { .. } | Fault::Unsupported { .. } | Fault::Device { .. } => ErrorKind::Device,
            #[cfg(not(feature = "gpu"))]
            Fault::NoFeature => ErrorKind::Device,
            Fault::TooLarge { .. } => ErrorKind::TooLarge,
            Fault::DeviceLost { .. } => ErrorKind::DeviceLost,
            Fault::OutOfMemory { .. } => ErrorKind::OutOfMemory,
            Fault::Timeout { .. } => ErrorKind::Timeout,
            Fault::Gpu { .. } | Fault::Other { .. } => ErrorKind::Driver,
        }
    }

    /// Returns the name of what the fault is about.
    pub(super) fn subject(&self) -> Option<&str> {
        match self {
            Fault::MissingParameter { name, .. }
            | Fault::UnexpectedParameter { name, .. }
            | Fault::Shape { name, .. }
            | Fault::UnknownShape { name, .. }
            | Fault::NonFinite { name, .. }
            | Fault::Precision { name, .. }
            | Fault::Dtype { name, .. }
            | Fault::Format { what: name, .. } => Some(name),
            Fault::StateRank { name, .. }
            | Fault::StateShape { name, .. }
            | Fault::Buffer { name, .. }
            | Fault::NotInCall { name, .. } => Some(name),
            Fault::InputRank { .. } | Fault::InputSize { .. } | Fault::NoSteps | Fault::RowsCount { .. } => {
                Some("input")
            }
            Fault::UnexpectedCellState { .. } => Some("c_0"),
            Fault::LengthsCount { .. } | Fault::Length { .. } => Some("lengths"),
            Fault::Row { .. } | Fault::RowTwice { .. } => Some("rows"),
            _ => None,
        }
    }
}

/// The rows of a session, as a count and a range.
struct RowRange<'a>(&'a usize);

impl fmt::Display for RowRange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.0 {
            0 => f.write_str("no rows"),
            1 => f.write_str("1 row (0)"),
            rows => write!(f, "{rows} rows (0 to {})", rows - 1),
        }
    }
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
