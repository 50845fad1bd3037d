//! ONNX: reads the recurrent nodes of a model, and combines them to the layers that they were exported from.

mod array;
mod budget;
mod config;
mod data;
mod defaults;
mod flow;
mod fold;
mod gates;
mod layers;
mod load;
mod node;
mod operator;
mod proto;
mod start;
mod tensor;
mod wire;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::Range;

use super::format_error;
use super::kind::{Kind, explained};
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::{Config, Error, LoadOptions, State, Weights};
use budget::Budget;
use data::{Callback, Files, NoFiles};
use flow::{Flow, Recurrent};
use fold::Constants;
pub(super) use load::weights;
use node::Node;
use proto::Model;
use start::{Lengths, Start};
use wire::Broken;

/// The recurrent layers of an ONNX model.
///
/// It reads `RNN`, `GRU` and `LSTM` nodes of ONNX's own domain, from opset 7 on, and ONNX Runtime's
/// `DynamicQuantizeLSTM`. They may be in the graph, in graphs inside its nodes (the bodies of If, Loop and
/// Scan) or in functions of the model. A node inside others is named with the path to it, such as
/// `If_0/then_branch/LSTM_3`.
///
/// A stack of nodes becomes one layer with that many [`num_layers`](Config::num_layers). Two nodes are
/// stacked if they are of the same kind and the lower node's Y goes only to the upper node's X, through
/// Transpose, Reshape, Squeeze, Unsqueeze, Identity and Dropout alone. The names of nodes and values do not
/// matter for this.
///
/// A layer is only a part of the model. Its input is the first node's X, which other nodes may compute. Its
/// output is the last node's Y as `[N, T, D*H]`, whatever the node's `layout`. Initial states that are
/// omitted or zero are [`State::default`](crate::State). Other constant states and lengths are
/// [`OnnxLayer::defaults`], and the caller passes those that depend on the model's inputs.
///
/// Weights are constants: tensors of the model, or values that its nodes compute from them. Integers are
/// allowed behind DequantizeLinear. [`OnnxModel::with_folder`] and [`OnnxModel::with_data`] also read
/// tensors in files beside the model. These operators are computed: Cast, Concat, Constant, ConstantOfShape,
/// DequantizeLinear, Dropout, Expand, Flatten, Gather, Identity, MatMul of matrices, QuantizeLinear, Range,
/// Reshape, Shape, Size, Slice, Split, Squeeze, Tile, Transpose, Unsqueeze, Where, the reductions (Sum, Mean,
/// Prod, Min, Max, L1, L2, SumSquare), and functions of one or two values (Add, Sub, Mul, Div, Pow, Min, Max,
/// Mod, Neg, Abs, Sqrt, Exp, Log, …, comparisons and logic). The work for them is limited to 256 bytes for
/// each byte of the file, and a file's depth of graphs to twelve.
///
/// ```
/// use wgpu_rnn::io::OnnxModel;
///
/// let file = std::fs::read("tests/onnx/lstm_torchscript_batch_first_bidirectional.onnx")?;
/// for layer in OnnxModel::new(&file)?.layers()? {
///     println!("{layer}"); // LSTM(3, 4, num_layers=2, bidirectional=True): LSTM "/LSTM", "/LSTM_1"
///     assert_eq!(layer.config()?.num_layers, 2);
///     assert_eq!(layer.weights()?.parameters().count(), 16);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct OnnxModel<'a> {
    /// The version of ONNX's operators that the model uses.
    pub opset: i64,
    /// The largest number of bytes that the parameters of a layer may take as f32, and that the values which are
    /// read from other files may take together; that of [`LoadOptions::default`] unless it is changed. A layer that
    /// exceeds it is an error of [`OnnxLayer::config`], of [`ErrorKind::TooLarge`].
    ///
    /// ```
    /// use wgpu_rnn::{ErrorKind, io::OnnxModel};
    ///
    /// let file = std::fs::read("tests/onnx/gru_torchscript.onnx")?;
    /// let mut model = OnnxModel::new(&file)?;
    /// model.max_bytes = 100;
    /// assert_eq!(model.layer(None)?.config().unwrap_err().kind(), ErrorKind::TooLarge);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub max_bytes: u64,
    model: Model<'a>,
    /// The number of bytes of the model's file.
    size: usize,
    files: Box<dyn Files + 'a>,
}

/// A recurrent layer of an ONNX model: a node, or a stack of nodes.
///
/// Its `Display` is the configuration, or the operator if the layer is rejected, and the names of its nodes.
#[derive(Debug)]
#[non_exhaustive]
pub struct OnnxLayer<'m> {
    /// The names of the nodes, the lowest layer first. The name of a node without one is that of its first
    /// output. The names of the nodes that contain it are before it, each with a slash behind it.
    pub nodes: Vec<String>,
    /// The name of the layer's input.
    pub input: Option<&'m str>,
    /// The names of the values that the nodes read as `h_0`, unless they are zero or constants. For a node that
    /// [`OnnxLayer::config`] rejects, the name is here also if the value is one of these.
    pub h_0: Vec<&'m str>,
    /// The names of the values that the nodes read as `c_0`, as for `h_0`.
    pub c_0: Vec<&'m str>,
    /// The name of the value with the rows' lengths, if there is one that is no constant.
    pub lengths: Option<&'m str>,
    /// Which of `h_0`, `c_0` and `lengths` are constants of the model, which [`OnnxLayer::defaults`] returns.
    pub constants: Vec<&'static str>,
    /// The nodes, the lowest first; at least one.
    stack: Vec<Recurrent<'m>>,
    /// [`OnnxModel::max_bytes`].
    max_bytes: u64,
}

impl<'a> OnnxModel<'a> {
    /// Parses the model in the bytes of a file. Tensors are only read when the layers are requested. Those
    /// in other files cannot be read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not one complete ONNX model, or its opset is below 7.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        OnnxModel::parse(bytes, Box::new(NoFiles))
    }

    /// Parses the model in the bytes of a file. Tensors in other files are read from a folder, usually that
    /// of the model: only the bytes of tensors that a recurrent layer needs, and only from files below the
    /// folder. Absolute paths, `..` and links out of the folder are errors.
    ///
    /// ```no_run
    /// use wgpu_rnn::io::OnnxModel;
    ///
    /// let bytes = std::fs::read("models/encoder.onnx")?; // its weights are in models/encoder.onnx.data
    /// let weights = OnnxModel::with_folder(&bytes, "models")?.layer(None)?.weights()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`OnnxModel::new`]. A file that cannot be read is an error of [`OnnxLayer::config`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_folder(bytes: &'a [u8], folder: impl Into<std::path::PathBuf>) -> Result<Self, Error> {
        OnnxModel::parse(bytes, Box::new(data::Folder(folder.into())))
    }

    /// Parses the model in the bytes of a file. The function returns the values of tensors in other files, from
    /// the file's path and the range of its bytes; [`OnnxModel::data_files`] lists these files. The paths are
    /// below the model's folder: they are not absolute and have no `..`. The function is called when the layers
    /// are requested.
    ///
    /// ```
    /// use std::borrow::Cow;
    /// use wgpu_rnn::io::OnnxModel;
    ///
    /// let bytes = std::fs::read("tests/onnx/graphs/external.onnx")?;
    /// let data = std::fs::read("tests/onnx/graphs/external.bin")?; // fetched by a page, for example
    /// assert_eq!(OnnxModel::new(&bytes)?.data_files(), ["external.bin"]);
    /// let model = OnnxModel::with_data(&bytes, |_file, range| {
    ///     data.get(range).map(Cow::Borrowed).ok_or(std::io::ErrorKind::UnexpectedEof.into())
    /// })?;
    /// assert_eq!(model.layer(None)?.config()?.hidden_size, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`OnnxModel::new`]. An error of the function is an error of [`OnnxLayer::config`].
    pub fn with_data(
        bytes: &'a [u8],
        read: impl Fn(&str, Range<usize>) -> io::Result<Cow<'a, [u8]>> + Send + Sync + 'a,
    ) -> Result<Self, Error> {
        OnnxModel::parse(bytes, Box::new(Callback(Box::new(read))))
    }

    fn parse(bytes: &'a [u8], files: Box<dyn Files + 'a>) -> Result<Self, Error> {
        let model = Model::decode(bytes).map_err(|error| match error {
            Broken::Wire(error) => incomplete(bytes, error),
            Broken::Memory => {
                Error::from(Fault::OutOfMemory { found: "the messages of an ONNX model".into() })
            }
        })?;
        if model.graph.is_none() {
            return Err(incomplete(bytes, "no graph"));
        }
        match Model::version(&model.opsets) {
            Some(opset) if opset >= 7 => {
                let max_bytes = LoadOptions::default().max_bytes;
                Ok(OnnxModel { model, opset, size: bytes.len(), max_bytes, files })
            }
            Some(opset) => Err(format_error("onnx", "opset 7 or newer", format_args!("opset {opset}"))),
            None => Err(format_error("onnx", "the opset of the domain ai.onnx", "none")),
        }
    }

    /// Returns the files that have values of the model's tensors, as paths below the model's folder, sorted.
    /// Paths that lead elsewhere are left out, since they are never read.
    pub fn data_files(&self) -> Vec<&str> {
        let tensors = self.model.tensors();
        let files = tensors.iter().filter_map(|tensor| tensor.external.as_ref()?.location("").ok());
        files.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Returns all recurrent layers in the order of their first nodes, including those that
    /// [`OnnxLayer::config`] rejects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if two nodes produce the same value.
    pub fn layers(&self) -> Result<Vec<OnnxLayer<'_>>, Error> {
        let constants = Constants::new(&*self.files, Budget::new(self.size, self.max_bytes));
        let stacks = layers::stacks(Flow::new(&self.model, self.opset, constants)?);
        Ok(stacks.into_iter().map(|stack| OnnxLayer::new(stack, self.max_bytes)).collect())
    }

    /// Returns the layer that the named node belongs to, or the only layer if no name is given. A node can
    /// also be named without the path to it, or by one of its outputs, since a node may have no name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if there is no such layer, no layer at all, or several layers and no name is
    /// given. It lists the layers of the model. If no layer of a model can be read and no name is given, the
    /// error is that of the first one.
    pub fn layer(&self, node: Option<&str>) -> Result<OnnxLayer<'_>, Error> {
        let mut layers = self.layers()?;
        if layers.is_empty() {
            return Err(self.none());
        }
        let Some(name) = node else { return self.only(layers) };
        let place = |has: &dyn Fn(&OnnxLayer<'_>) -> bool| {
            let mut places = (0..layers.len()).filter(|&place| has(&layers[place]));
            (places.next(), places.next().is_some())
        };
        match (place(&|layer| layer.nodes.iter().any(|path| path == name)), place(&|layer| layer.has(name))) {
            ((Some(place), false), _) | (_, (Some(place), false)) => Ok(layers.swap_remove(place)),
            (_, (None, _)) => {
                Err(format_error("onnx", format_args!("a recurrent node {name:?}"), listed(&layers)))
            }
            _ => Err(format_error("onnx", format_args!("one recurrent node {name:?}"), listed(&layers))),
        }
    }

    /// Returns the only layer of a known operator.
    fn only<'m>(&'m self, mut layers: Vec<OnnxLayer<'m>>) -> Result<OnnxLayer<'m>, Error> {
        let is_known = |layer: &OnnxLayer<'_>| layer.stack.iter().all(|node| node.operator.is_some());
        let known: Vec<usize> = (0..layers.len()).filter(|&place| is_known(&layers[place])).collect();
        match (&known[..], layers.len()) {
            (&[place], _) => return Ok(layers.swap_remove(place)),
            (_, 1) => return layers.pop().ok_or_else(|| self.none()),
            _ => {}
        }
        let errors: Vec<Error> = layers.iter().filter_map(|layer| layer.config().err()).collect();
        if let (true, Some(first)) = (errors.len() == layers.len(), errors.into_iter().next()) {
            return Err(first);
        }
        Err(format_error("onnx", "the name of a node, since there are several layers", listed(&layers)))
    }

    fn none(&self) -> Error {
        format_error("onnx", "an RNN, GRU or LSTM node", self.other_nodes())
    }

    /// Describes the model's nodes, for the error that none is recurrent.
    fn other_nodes(&self) -> String {
        let plural = if self.model.nodes == 1 { "" } else { "s" };
        format!("{} other node{plural}", self.model.nodes)
    }
}

impl<'m> OnnxLayer<'m> {
    fn new(stack: Vec<Recurrent<'m>>, max_bytes: u64) -> Self {
        let first = stack.first();
        let lengths = first.and_then(|node| match node.node.as_ref().ok()?.lengths {
            Lengths::Given(name) => Some(name),
            Lengths::All | Lengths::Constant(_) => None,
        });
        OnnxLayer {
            nodes: stack.iter().map(|node| node.path.clone()).collect(),
            input: first.and_then(|node| node.proto.input(0)),
            h_0: given(&stack, 5, |node| &node.initial_h),
            c_0: given(&stack, 6, |node| &node.initial_c),
            lengths,
            constants: defaults::names(&stack),
            stack,
            max_bytes,
        }
    }

    /// Returns the initial state and the lengths that are constants of the model, for a batch of N rows. The
    /// model uses them if nothing else is passed, so a caller that passes nothing else should pass these. A
    /// state that the model repeats for each row of its input, as it does with a learned one, is also such a
    /// constant.
    ///
    /// A constant that the model states for another number of rows is returned as it is. A forward pass refuses
    /// it, unless the caller replaces it.
    ///
    /// ```
    /// use wgpu_rnn::io::OnnxModel;
    ///
    /// let file = std::fs::read("tests/onnx/graphs/learned_state.onnx")?;
    /// let model = OnnxModel::new(&file)?;
    /// let (state, lengths) = model.layer(None)?.defaults(3)?; // for N = 3
    /// assert_eq!(state.h_0.map(|h_0| h_0.dim()), Some((1, 3, 4))); // [L*D, N, H]
    /// assert_eq!(lengths, None); // each row has all steps
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`OnnxLayer::config`]; [`ErrorKind::File`] if the model's nodes have constants for different
    /// numbers of rows; [`ErrorKind::OutOfMemory`] if there is not enough memory for N rows.
    pub fn defaults(&self, rows: usize) -> Result<(State<'static>, Option<Vec<usize>>), Error> {
        defaults::of(&self.checked()?, rows, &self.names())
    }

    /// Returns the layer's configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`], [`ErrorKind::Tensor`] name the node and the attribute or input that is wrong or
    /// not supported; [`ErrorKind::TooLarge`] if the layer exceeds [`OnnxModel::max_bytes`].
    pub fn config(&self) -> Result<Config, Error> {
        let configs = self.checked()?.into_iter().map(config::config_of).collect::<Result<Vec<_>, _>>()?;
        let bias = configs.iter().any(|config| config.bias);
        let first = configs.first().ok_or_else(|| format_error("onnx", "a node", "none"))?;
        let config = first.num_layers(configs.len()).bias(bias);
        LoadOptions { max_bytes: self.max_bytes, ..LoadOptions::default() }.check_bytes(&config)?;
        Ok(config)
    }

    /// Returns the layer's weights, with PyTorch's order of gates.
    ///
    /// # Errors
    ///
    /// The same as [`OnnxLayer::config`]; [`ErrorKind::Tensor`] if a weight is NaN or infinite.
    pub fn weights(&self) -> Result<Weights, Error> {
        let (nodes, config) = (self.checked()?, self.config()?);
        Weights::from_named(config, &format!("{}: ", self.names()), |parameter, _| {
            let node = nodes.get(parameter.layer).ok_or_else(|| format_error("onnx", "a node", "none"))?;
            gates::parameter(node, &config, parameter)
        })
    }

    /// Returns the nodes, or the error of the first node that is rejected.
    fn checked(&self) -> Result<Vec<&Node<'_>>, Error> {
        self.stack.iter().map(|node| node.node.as_ref().map_err(Error::clone)).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.stack.iter().any(|node| node.proto.name == name || node.proto.outputs.contains(&name))
    }

    /// Returns the operator and the names of the nodes.
    fn names(&self) -> String {
        let operator = self.stack.first().map_or_else(String::new, |node| operator::kind(node.proto));
        let names: Vec<String> = self.nodes.iter().map(|name| format!("{name:?}")).collect();
        format!("{operator} {}", names.join(", "))
    }
}

/// Returns the names of the states at an input of the nodes that the caller passes. A node that is rejected was not
/// checked for states that are constant.
fn given<'m>(
    stack: &[Recurrent<'m>],
    place: usize,
    state: impl for<'n> Fn(&'n Node<'m>) -> &'n Start<'m>,
) -> Vec<&'m str> {
    let names = stack.iter().filter_map(|node| match node.node.as_ref().map(&state) {
        Ok(state) => state.given(),
        Err(_) if node.operator.is_some() => node.proto.input(place),
        Err(_) => None,
    });
    names.collect()
}

/// Returns the error for bytes that are not a whole model.
fn incomplete(bytes: &[u8], found: impl fmt::Display) -> Error {
    explained(format_error("onnx", "a complete ONNX model", found), bytes, Kind::Onnx)
}

/// Lists a model's layers in one line of text.
fn listed(layers: &[OnnxLayer<'_>]) -> String {
    const LISTED: usize = 12;
    let mut names: Vec<String> = layers.iter().take(LISTED).map(OnnxLayer::names).collect();
    if layers.len() > LISTED {
        names.push(format!("{} more", layers.len() - LISTED));
    }
    names.join("; ")
}

impl fmt::Display for OnnxLayer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.config() {
            Ok(config) => write!(f, "{config}: {}", self.names()),
            Err(_) => f.write_str(&self.names()),
        }
    }
}
