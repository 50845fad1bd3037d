//! The configuration of a stack of Keras layers, and the conversion of their weights to PyTorch's
//! parameters.

use ndarray::{Array2, ArrayD, ArrayView2, Axis, Ix2, s};

use super::cell::{CellTensors, Tensor};
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{collected, zeroed};
use crate::batch::check_finite;
use crate::error::Fault;
use crate::io::Tensors;
use crate::{Activation, Cell, Config, Error, LoadOptions, Parameter, ParameterKind};

/// The cells of each layer, the lowest first: one, or a forward and a backward one.
pub(super) struct Stack<'n, 'a> {
    layers: Vec<Vec<&'n CellTensors<'a>>>,
    first: &'n CellTensors<'a>,
}

impl<'n, 'a> Stack<'n, 'a> {
    /// Stacks the layers, the lowest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the layers have different numbers of directions.
    pub(super) fn new(layers: Vec<Vec<&'n CellTensors<'a>>>) -> Result<Self, Error> {
        let directions = layers.first().map_or(0, Vec::len);
        let first = layers.first().and_then(|cells| cells.first().copied());
        match first.filter(|_| layers.iter().all(|cells| cells.len() == directions)) {
            Some(first) => Ok(Stack { layers, first }),
            None => Err(Error::from(Fault::Config {
                rule: "stacked layers must all be Bidirectional, or none".into(),
                found: format!("{:?} directions", layers.iter().map(Vec::len).collect::<Vec<_>>()),
            })),
        }
    }

    /// Returns the stack's configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`] names the tensor;
    /// [`ErrorKind::Config`] if the layer cannot have an option.
    pub(super) fn config(&self, options: &LoadOptions) -> Result<Config, Error> {
        let (name, shape) = present(self.first, self.first.recurrent_kernel, "recurrent_kernel", "[H, G*H]")?;
        let (_, kernel) = present(self.first, self.first.kernel, "kernel", "[I, G*H]")?;
        let (hidden_size, columns) = match *shape {
            [rows, columns] if rows > 0 => (rows, columns),
            _ => (0, 0),
        };
        let new = match columns.checked_div(hidden_size).filter(|_| columns.is_multiple_of(hidden_size)) {
            Some(1) if options.activation == Some(Activation::Relu) => Config::rnn_relu,
            Some(1) => Config::rnn,
            Some(3) => Config::gru,
            Some(4) => Config::lstm,
            _ => {
                return Err(Error::from(Fault::UnknownShape {
                    name: name.to_owned(),
                    expected: "[H, G*H] with G = 1 (SimpleRNN), 3 (GRU) or 4 (LSTM), H > 0".into(),
                    found: shape.to_vec(),
                }));
            }
        };
        let config = new(kernel.first().copied().unwrap_or(0), hidden_size)
            .num_layers(self.layers.len())
            .bidirectional(self.layers.iter().any(|cells| cells.len() == 2))
            .bias(self.first.bias.is_some())
            .reverse(options.reverse);
        check_options(&config, options)?;
        let config = with_activations(config, options);
        let config = match config.cell {
            Cell::Gru => config.reset_after(self.is_reset_after(options)),
            Cell::RnnTanh | Cell::RnnRelu | Cell::Lstm => config,
        };
        config.validate()?;
        for (layer, cells) in self.layers.iter().enumerate() {
            cells.iter().try_for_each(|cell| check_cell(cell, &config, layer))?;
        }
        Ok(config)
    }

    /// Returns whether a GRU applies the reset gate after the product: the option if it is given, else what
    /// the rank of the bias shows, else true.
    fn is_reset_after(&self, options: &LoadOptions) -> bool {
        let units = self.first.recurrent_kernel.and_then(|(_, shape)| shape.first().copied()).unwrap_or(0);
        let inferred = self.first.bias.map(|(_, shape)| shape.len() != 1 || *shape == [6 * units]);
        options.reset_after.or(inferred).unwrap_or(true)
    }

    /// Returns a parameter of the layer that [`Stack::config`] describes.
    ///
    /// # Errors
    ///
    /// The same as [`Tensors::f32`]; [`ErrorKind::Tensor`] names the tensor; [`ErrorKind::OutOfMemory`] if there
    /// is not enough memory for it.
    pub(super) fn parameter(
        &self,
        tensors: &Tensors<'_>,
        config: &Config,
        parameter: &Parameter,
    ) -> Result<ArrayD<f32>, Error> {
        let cells = self.layers.get(parameter.layer);
        let cell = cells.and_then(|cells| cells.get(usize::from(parameter.reverse))).unwrap_or(&self.first);
        let (tensor, row) = match parameter.kind {
            ParameterKind::WeightIh => (cell.kernel, 0),
            ParameterKind::WeightHh => (cell.recurrent_kernel, 0),
            ParameterKind::BiasIh => (cell.bias, 0),
            ParameterKind::BiasHh => {
                (cell.bias.filter(|(_, shape)| shape.len() == 2 || is_cudnn(cell, config)), 1)
            }
            // Keras has no projections and no peepholes.
            ParameterKind::WeightHr | ParameterKind::WeightCh => (None, 0),
        };
        let Some((name, _)) = tensor else {
            return zeroed(&parameter.to_string(), &parameter.shape(config));
        };
        let values = tensors.f32(name)?;
        check_finite(name, &values.view())?;
        let is_bias = matches!(parameter.kind, ParameterKind::BiasIh | ParameterKind::BiasHh);
        let found = values.shape().to_vec();
        let wrong =
            || Error::from(Fault::Shape { name: name.to_owned(), expected: parameter.shape(config), found });
        let cudnn = is_cudnn(cell, config);
        let values = match is_bias && values.ndim() == 1 {
            true => {
                let shape = [if cudnn { 2 } else { 1 }, config.cell.gates() * config.hidden_size];
                values.into_shape_with_order(shape).map_err(|_| wrong())?
            }
            false => values.into_dimensionality::<Ix2>().map_err(|_| wrong())?,
        };
        let rows = if is_bias { row..row + 1 } else { 0..values.nrows() };
        let values = values.slice(s![rows, ..]);
        let matrix = match cudnn && !is_bias {
            true => reshaped(name, config, &values)?.into_dyn(),
            false => transposed(name, config, &values)?.into_dyn(),
        };
        Ok(if is_bias { matrix.index_axis_move(Axis(1), 0) } else { matrix })
    }
}

/// Returns PyTorch's gates as Keras' numbers. GRU: r z n of z r h. LSTM: i f g o is Keras' i f c o.
fn order(config: &Config) -> impl Iterator<Item = usize> + use<> {
    let order: &[usize] = if config.cell == Cell::Gru { &[1, 0, 2] } else { &[0, 1, 2, 3] };
    order.iter().copied().take(config.cell.gates())
}

/// Returns whether a cell is a CuDNNLSTM or CuDNNGRU, which has a bias of its own for the recurrent product.
fn is_cudnn(cell: &CellTensors<'_>, config: &Config) -> bool {
    let twice = 2 * config.cell.gates() * config.hidden_size;
    config.cell.gates() > 1 && cell.bias.is_some_and(|(_, shape)| *shape == [twice])
}

/// Converts the matrix `[rows, G*H]` of a CuDNNLSTM or CuDNNGRU to `[G*H, rows]`. cuDNN reads the values of each
/// gate as a matrix `[H, rows]`, whatever the shape that Keras gives them.
fn reshaped(name: &str, config: &Config, values: &ArrayView2<'_, f32>) -> Result<Array2<f32>, Error> {
    let h = config.hidden_size;
    let blocks = order(config).flat_map(|gate| values.slice_move(s![.., gate * h..(gate + 1) * h]));
    collected(name, Ix2(config.cell.gates() * h, values.nrows()), blocks.copied())
}

/// Converts `[rows, G*H]` in Keras' order of gates to `[G*H, rows]` in PyTorch's order.
fn transposed(name: &str, config: &Config, values: &ArrayView2<'_, f32>) -> Result<Array2<f32>, Error> {
    let h = config.hidden_size;
    let columns = order(config).flat_map(|gate| gate * h..(gate + 1) * h);
    let transposed = columns.flat_map(|column| values.index_axis_move(Axis(1), column)).copied();
    collected(name, Ix2(config.cell.gates() * h, values.nrows()), transposed)
}

/// Returns the tensor, or an error that it is missing.
fn present<'a>(
    cell: &CellTensors<'a>,
    tensor: Option<Tensor<'a>>,
    weight: &str,
    expected: &str,
) -> Result<Tensor<'a>, Error> {
    tensor.ok_or_else(|| {
        Error::from(Fault::MissingParameter {
            name: match cell.path.as_str() {
                "" => weight.to_owned(),
                path => format!("{path}/{weight}"),
            },
            expected: expected.to_owned(),
        })
    })
}

/// Rejects options that the layer cannot have.
fn check_options(config: &Config, options: &LoadOptions) -> Result<(), Error> {
    let error = |rule: &str, found: String| Err(Error::from(Fault::Config { rule: rule.to_owned(), found }));
    match config.cell {
        Cell::RnnTanh | Cell::RnnRelu if options.recurrent_activation.is_some() => {
            error("recurrent_activation is for LSTM and GRU only", "SimpleRNN".into())
        }
        Cell::RnnTanh | Cell::RnnRelu | Cell::Lstm if options.reset_after.is_some() => {
            error("reset_after is for GRU only", config.cell.to_string())
        }
        _ => Ok(()),
    }
}

fn with_activations(config: Config, options: &LoadOptions) -> Config {
    let activation = options.activation.unwrap_or(Activation::Tanh);
    let f = match config.cell {
        Cell::RnnTanh | Cell::RnnRelu => activation,
        Cell::Lstm | Cell::Gru => options.recurrent_activation.unwrap_or(Activation::Sigmoid),
    };
    config.activations([[f, activation, activation]; 2])
}

/// Checks that a cell's tensors all exist and have the shapes that the layer gives them.
fn check_cell(cell: &CellTensors<'_>, config: &Config, layer: usize) -> Result<(), Error> {
    let columns = config.cell.gates() * config.hidden_size;
    let kernel = [config.layer_input_size(layer), columns];
    let tensor = present(cell, cell.kernel, "kernel", &format!("{kernel:?}"))?;
    if layer > 0 && tensor.1 != kernel {
        return Err(Error::from(Fault::UnknownShape {
            name: tensor.0.to_owned(),
            expected: format!("{kernel:?}, since the layer below gives vectors of {}", kernel[0])
                + if config.bidirectional { " (its merge_mode must be \"concat\")" } else { "" },
            found: tensor.1.to_vec(),
        }));
    }
    check_shape(tensor, &kernel)?;
    let recurrent = [config.hidden_size, columns];
    let tensor = present(cell, cell.recurrent_kernel, "recurrent_kernel", &format!("{recurrent:?}"))?;
    check_shape(tensor, &recurrent)?;
    let both = config.cell == Cell::Gru && config.reset_after;
    let bias = if both { vec![2, columns] } else { vec![columns] };
    match (cell.bias, config.bias) {
        (Some(_), true) if is_cudnn(cell, config) => Ok(()),
        (Some(tensor), true) => check_shape(tensor, &bias),
        (Some((name, _)), false) => Err(Error::from(Fault::UnexpectedParameter {
            name: name.to_owned(),
            reason: "the layer's first cell has no bias".into(),
        })),
        (None, true) => present(cell, None, "bias", &format!("{bias:?}")).map(|_| ()),
        (None, false) => Ok(()),
    }
}

fn check_shape((name, found): Tensor<'_>, expected: &[usize]) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::from(Fault::Shape {
        name: name.to_owned(),
        expected: expected.to_vec(),
        found: found.to_vec(),
    }))
}
