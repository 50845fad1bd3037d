//! ONNX: reads the recurrent nodes of a model, and combines them to the layers that they were exported from.

mod config;
mod flow;
mod gates;
mod layers;
mod node;
mod operator;
mod pieces;
mod proto;
mod tensor;
mod wire;

use std::fmt;

use super::format_error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::{Config, Error, Weights};
use flow::{Flow, Recurrent};
use node::{Initial, Node};
use proto::Model;

/// The recurrent layers of an ONNX model.
///
/// It reads `RNN`, `GRU` and `LSTM` nodes of ONNX's own domain, from opset 7 on. Their weights must be
/// initializers or Constant nodes of f16, bf16, f32 or f64, or slices of these that the graph concatenates.
/// A stack of nodes becomes one layer with that many [`num_layers`](Config::num_layers). Two nodes are
/// stacked if they are of the same kind and the lower node's Y goes only to the upper node's X, through
/// Transpose, Reshape, Squeeze, Unsqueeze, Identity and Dropout alone. The names of nodes and values do not
/// matter for this.
///
/// A layer is only a part of the model. Its input is the first node's X, which other nodes may compute. Its
/// output is the last node's Y as `[N, T, D*H]`, whatever the node's `layout`. Initial states that are
/// omitted or zero are [`State::default`](crate::State). Other initial states and lengths must depend on
/// the model's inputs, and the caller passes them. Graphs inside nodes (the bodies of If, Loop and Scan) and
/// functions are not read.
///
/// ```
/// use wgpu_rnn::io::OnnxModel;
///
/// let file = std::fs::read("tests/onnx/lstm_torchscript_batch_first_bidirectional.onnx")?;
/// for layer in OnnxModel::new(&file)?.layers()? {
///     println!("{layer}"); // LSTM(3, 4, num_layers=2, bidirectional=True): LSTM "/LSTM", "/LSTM_1"
///     assert_eq!(layer.config()?.num_layers, 2);
///     assert_eq!(layer.weights()?.directions().len(), 4);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OnnxModel<'a> {
    model: Model<'a>,
    opset: i64,
}

/// A recurrent layer of an ONNX model: a node, or a stack of nodes.
///
/// Its `Display` is the configuration, or the operator if the layer is rejected, and the names of its nodes.
#[derive(Debug)]
pub struct OnnxLayer<'m> {
    /// The nodes, the lowest first; at least one.
    nodes: Vec<Recurrent<'m>>,
}

impl<'a> OnnxModel<'a> {
    /// Parses the model in the bytes of a file. Tensors are only read when a layer's weights are requested.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not one complete ONNX model, or its opset is below 7.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let model =
            Model::decode(bytes).map_err(|error| format_error("onnx", "a complete ONNX model", error))?;
        if model.graph.is_none() {
            return Err(format_error("onnx", "a complete ONNX model", "no graph"));
        }
        let versions = model.opsets.iter().filter(|(domain, _)| matches!(*domain, "" | "ai.onnx"));
        match versions.map(|&(_, version)| version).max() {
            Some(opset) if opset >= 7 => Ok(OnnxModel { model, opset }),
            Some(opset) => Err(format_error("onnx", "opset 7 or newer", format_args!("opset {opset}"))),
            None => Err(format_error("onnx", "the opset of the domain ai.onnx", "none")),
        }
    }

    /// Returns the version of ONNX's operators that the model uses.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// Returns all recurrent layers in the order of their first nodes, including those that
    /// [`OnnxLayer::config`] rejects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if two nodes produce the same value.
    pub fn layers(&self) -> Result<Vec<OnnxLayer<'_>>, Error> {
        let Some(graph) = &self.model.graph else { return Ok(Vec::new()) };
        let stacks = layers::stacks(Flow::new(graph, self.opset)?);
        Ok(stacks.into_iter().map(|nodes| OnnxLayer { nodes }).collect())
    }

    /// Returns the layer that the named node belongs to, or the only layer if no name is given. A node can
    /// also be named by one of its outputs, since a node may have no name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if there is no such layer, no layer at all, or several layers and no name is
    /// given. It lists the layers of the model.
    pub fn layer(&self, node: Option<&str>) -> Result<OnnxLayer<'_>, Error> {
        let layers = self.layers()?;
        if layers.is_empty() {
            return Err(self.none());
        }
        let found = || listed(&layers);
        let matching: Vec<usize> = match node {
            Some(name) => (0..layers.len()).filter(|&place| layers[place].has(name)).collect(),
            None => (0..layers.len()).collect(),
        };
        match (&matching[..], node) {
            (&[place], _) => layers.into_iter().nth(place).ok_or_else(|| self.none()),
            (_, None) => {
                Err(format_error("onnx", "the name of a node, since there are several layers", found()))
            }
            ([], Some(name)) => Err(format_error("onnx", format_args!("a recurrent node {name:?}"), found())),
            (_, Some(name)) => {
                Err(format_error("onnx", format_args!("one recurrent node {name:?}"), found()))
            }
        }
    }

    fn none(&self) -> Error {
        format_error("onnx", "an RNN, GRU or LSTM node", self.other_nodes())
    }

    /// Describes the model's nodes, for the error that none is recurrent.
    fn other_nodes(&self) -> String {
        let graph = self.model.graph.as_ref();
        let nodes = graph.map_or(&[][..], |graph| &graph.nodes);
        let inner = nodes.iter().any(proto::NodeProto::has_graph);
        let unread = match (inner, self.model.functions > 0) {
            (false, false) => "",
            (true, _) => ", and graphs inside of them, which are not read",
            (false, true) => ", and functions, which are not read",
        };
        let plural = if nodes.len() == 1 { "" } else { "s" };
        format!("{} other node{plural}{unread}", nodes.len())
    }
}

impl OnnxLayer<'_> {
    /// Returns the names of the nodes, the lowest layer first. The name of a node without one is that of its
    /// first output.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.proto.label())
    }

    /// Returns the name of the layer's input.
    pub fn input(&self) -> Option<&str> {
        self.nodes.first()?.proto.input(0)
    }

    /// Returns the names of the values that the nodes read as `h_0`, unless they are zero. For a node that
    /// [`OnnxLayer::config`] rejects, the name is returned also if the value is zero.
    pub fn h_0(&self) -> impl Iterator<Item = &str> {
        self.states(5, |node| node.initial_h)
    }

    /// Returns the names of the values that the nodes read as `c_0`, as for [`OnnxLayer::h_0`].
    pub fn c_0(&self) -> impl Iterator<Item = &str> {
        self.states(6, |node| node.initial_c)
    }

    /// Returns the names of the states at an input of the nodes. A node that is rejected was not checked for
    /// states that are zero.
    fn states<'s>(
        &'s self,
        place: usize,
        state: impl Fn(&Node<'s>) -> Initial<'s>,
    ) -> impl Iterator<Item = &'s str> {
        self.nodes.iter().filter_map(move |node| match node.node.as_ref().map(&state) {
            Ok(Initial::Given(name)) => Some(name),
            Ok(Initial::Zero) => None,
            Err(_) => node.proto.input(place),
        })
    }

    /// Returns the name of the value with the rows' lengths, if there is one.
    pub fn lengths(&self) -> Option<&str> {
        self.nodes.first()?.node.as_ref().ok()?.lengths
    }

    /// Returns the layer's configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`], [`ErrorKind::Tensor`] name the node and the attribute or input that is wrong or
    /// not supported.
    pub fn config(&self) -> Result<Config, Error> {
        let configs = self.checked()?.into_iter().map(config::config_of).collect::<Result<Vec<_>, _>>()?;
        let bias = configs.iter().any(|config| config.bias);
        let first = configs.first().ok_or_else(|| format_error("onnx", "a node", "none"))?;
        Ok(first.num_layers(configs.len()).bias(bias))
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
        self.nodes.iter().map(|node| node.node.as_ref().map_err(Error::clone)).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| node.proto.name == name || node.proto.outputs.contains(&name))
    }

    /// Returns the operator and the names of the nodes.
    fn names(&self) -> String {
        let operator = self.nodes.first().map_or("", |node| node.operator.name());
        let names: Vec<String> = self.nodes().map(|name| format!("{name:?}")).collect();
        format!("{operator} {}", names.join(", "))
    }
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

impl Weights {
    /// Reads the weights of a recurrent layer from the bytes of an ONNX model, with [`OnnxModel::new`],
    /// [`OnnxModel::layer`] and [`OnnxLayer::weights`].
    ///
    /// ```
    /// use wgpu_rnn::Weights;
    ///
    /// let file = std::fs::read("tests/onnx/gru_torchscript.onnx")?;
    /// let weights = Weights::from_onnx(&file, None)?; // the only layer, or Some("name of a node")
    /// assert_eq!(weights.config().to_string(), "GRU(3, 4, num_layers=2)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as these three.
    pub fn from_onnx(bytes: &[u8], node: Option<&str>) -> Result<Self, Error> {
        OnnxModel::new(bytes)?.layer(node)?.weights()
    }
}
