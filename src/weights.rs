//! The parameters of a layer, which are checked against its [`Config`] once.

mod infer;
mod modules;
mod name;
mod norm;
mod options;
mod precision;
mod seed;

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array, Array1, Array2, ArrayD, ArrayViewD, Dimension};

pub(crate) use infer::Inferred;
pub use infer::{infer_config, recurrent_prefixes};
pub(crate) use name::{Parameter, ParameterKind};
pub use options::LoadOptions;
pub use precision::Precision;
pub(crate) use seed::Generator;

use crate::array::copied;
use crate::batch::check_finite;
use crate::error::Fault;
use crate::{Config, Error};

/// The parameters of one direction of one layer, as PyTorch lays them out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DirectionWeights {
    /// `weight_ih_l{k} [G*H, in]`.
    pub(crate) weight_ih: Array2<f32>,
    /// `weight_hh_l{k} [G*H, H_out]`.
    pub(crate) weight_hh: Array2<f32>,
    /// `bias_ih_l{k} [G*H]`, if the layer has biases.
    pub(crate) bias_ih: Option<Array1<f32>>,
    /// `bias_hh_l{k} [G*H]`, if the layer has biases.
    pub(crate) bias_hh: Option<Array1<f32>>,
    /// `weight_hr_l{k} [P, H]`, if the layer has a projection.
    pub(crate) weight_hr: Option<Array2<f32>>,
    /// `weight_ch_l{k} [3*H]`, in the order i f o, if the layer has peepholes.
    pub(crate) weight_ch: Option<Array1<f32>>,
}

/// The parameters of a layer: complete, of the right shapes and finite. Clones share them.
///
/// ```
/// use wgpu_rnn::{Config, Weights};
///
/// // What torch.manual_seed(1); torch.nn.RNN(5, 2) gives.
/// let weights = Weights::seeded(Config::rnn(5, 2), 1)?;
/// assert_eq!(weights.get("weight_ih_l0").unwrap()[[0, 0]], 0.3643461);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    config: Config,
    /// The parameters of each layer and direction, at `layer * D + direction`.
    directions: Arc<Vec<DirectionWeights>>,
}

impl Weights {
    /// Calls `load` with the name and the shape of each parameter of `config`, in PyTorch's order, and collects
    /// the results.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Weights, ndarray::ArrayD};
    ///
    /// let zeros = Weights::from_fn(Config::gru(3, 5), |name, shape| {
    ///     println!("{name}: {shape:?}"); // weight_ih_l0: [15, 3]
    ///     Ok(ArrayD::zeros(shape))
    /// })?;
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of `load`; [`ErrorKind::Config`](crate::ErrorKind::Config) for a bad configuration,
    /// [`ErrorKind::Tensor`](crate::ErrorKind::Tensor) for a parameter of another shape and for one that is not
    /// finite.
    pub fn from_fn(
        config: Config,
        mut load: impl FnMut(&str, &[usize]) -> Result<ArrayD<f32>, Error>,
    ) -> Result<Self, Error> {
        Weights::from_named(config, "", |parameter, name| load(name, &parameter.shape(&config)))
    }

    /// Like [`Weights::from_fn`], for parameters whose names have a prefix. `load` also receives the full
    /// name.
    pub(crate) fn from_named(
        config: Config,
        prefix: &str,
        load: impl FnMut(&Parameter, &str) -> Result<ArrayD<f32>, Error>,
    ) -> Result<Self, Error> {
        Weights::from_each(config, |parameter| format!("{prefix}{parameter}"), load)
    }

    /// Reads the parameters of an inferred layer. `read` returns the tensor of a name.
    pub(crate) fn from_inferred(
        inferred: &Inferred<'_>,
        mut read: impl FnMut(&str) -> Result<ArrayD<f32>, Error>,
    ) -> Result<Self, Error> {
        let name = |parameter: &Parameter| inferred.name(parameter);
        Weights::from_each(inferred.config, name, |parameter, _| inferred.parameter(parameter, &mut read))
    }

    /// Like [`Weights::from_fn`], with the names that parameters have in errors.
    fn from_each(
        config: Config,
        name: impl Fn(&Parameter) -> String,
        mut load: impl FnMut(&Parameter, &str) -> Result<ArrayD<f32>, Error>,
    ) -> Result<Self, Error> {
        config.validate()?;
        let mut directions = Vec::new();
        for layer in 0..config.num_layers {
            for reverse in [false, true].into_iter().take(config.directions()) {
                let mut take = |kind| take(&config, &name, Parameter { kind, layer, reverse }, &mut load);
                directions.push(DirectionWeights {
                    weight_ih: fixed(take(ParameterKind::WeightIh)?)?,
                    weight_hh: fixed(take(ParameterKind::WeightHh)?)?,
                    bias_ih: if config.bias { Some(fixed(take(ParameterKind::BiasIh)?)?) } else { None },
                    bias_hh: if config.bias { Some(fixed(take(ParameterKind::BiasHh)?)?) } else { None },
                    weight_hr: if config.proj_size > 0 {
                        Some(fixed(take(ParameterKind::WeightHr)?)?)
                    } else {
                        None
                    },
                    weight_ch: if config.peepholes {
                        Some(fixed(take(ParameterKind::WeightCh)?)?)
                    } else {
                        None
                    },
                });
            }
        }
        Ok(Weights { config, directions: Arc::new(directions) })
    }

    /// Infers the configuration from the names and shapes of a state dict's tensors, and reads the
    /// parameters.
    ///
    /// Tensors of other modules are ignored; see [`infer_config`] for the tensors that must exist.
    ///
    /// ```
    /// use wgpu_rnn::{LoadOptions, Weights, ndarray::ArrayD};
    ///
    /// let tensors = [
    ///     ("encoder.weight_ih_l0", ArrayD::zeros(vec![6, 4])),
    ///     ("encoder.weight_hh_l0", ArrayD::zeros(vec![6, 2])),
    ///     ("head.weight", ArrayD::zeros(vec![9, 2])),
    /// ];
    /// let weights = Weights::from_state_dict(tensors, &LoadOptions::default())?;
    /// assert_eq!(weights.config().to_string(), "GRU(4, 2, bias=False)");
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`infer_config`] and [`Weights::from_fn`].
    pub fn from_state_dict<S: Into<String>>(
        tensors: impl IntoIterator<Item = (S, ArrayD<f32>)>,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let mut tensors: BTreeMap<String, ArrayD<f32>> =
            tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
        let shapes: Vec<(String, Vec<usize>)> =
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec())).collect();
        let shapes = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
        let inferred = Inferred::new(shapes, options)?;
        Weights::from_inferred(&inferred, |name| {
            tensors.remove(name).ok_or_else(|| {
                Error::from(Fault::MissingParameter { name: name.to_owned(), expected: "its shape".into() })
            })
        })
    }

    /// Returns the parameters that `torch.manual_seed(seed)` followed by PyTorch's constructor gives, bit
    /// for bit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a bad configuration,
    /// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory) if there is not enough memory for the parameters.
    pub fn seeded(config: Config, seed: u64) -> Result<Self, Error> {
        Weights::draw(config, &mut Generator::seeded(seed))
    }

    /// Returns the parameters that `torch.manual_seed(seed)` followed by PyTorch's constructors of several
    /// layers, one after the other, gives.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Weights};
    ///
    /// let [encoder, decoder] = &Weights::seeded_in_turn([Config::rnn(5, 2), Config::lstm(5, 2)], 1)?[..] else {
    ///     unreachable!("one for each configuration");
    /// };
    /// assert_eq!(*encoder, Weights::seeded(Config::rnn(5, 2), 1)?);
    /// assert_ne!(*decoder, Weights::seeded(Config::lstm(5, 2), 1)?);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`Weights::seeded`].
    pub fn seeded_in_turn(configs: impl IntoIterator<Item = Config>, seed: u64) -> Result<Vec<Self>, Error> {
        let mut generator = Generator::seeded(seed);
        configs.into_iter().map(|config| Weights::draw(config, &mut generator)).collect()
    }

    /// Returns the parameters that PyTorch's constructor would draw next from the generator.
    pub(crate) fn draw(config: Config, generator: &mut Generator) -> Result<Self, Error> {
        config.validate()?;
        check_memory(&config)?;
        Weights::from_named(config, "", |parameter, _| {
            let shape = parameter.shape(&config);
            generator.uniform(&parameter.to_string(), &shape, config.hidden_size)
        })
    }

    /// Returns the configuration that the parameters belong to.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the parameters of each direction of each layer, at `layer * D + direction` (0 forward, 1
    /// reverse).
    pub(crate) fn directions(&self) -> &[DirectionWeights] {
        &self.directions
    }

    /// Returns all parameters with their names (without prefix), in PyTorch's order.
    pub fn parameters(&self) -> impl Iterator<Item = (String, ArrayViewD<'_, f32>)> {
        self.typed_parameters().map(|(parameter, values)| (parameter.to_string(), values))
    }

    /// Returns the parameter of that name, such as `weight_hh_l1_reverse`, if the configuration has it. PyTorch
    /// has no name for peepholes; here it is `weight_ch_l{k}`, of shape `[3*H]` in the order i f o.
    pub fn get(&self, name: &str) -> Option<ArrayViewD<'_, f32>> {
        self.parameters().find(|(found, _)| found == name).map(|(_, values)| values)
    }

    pub(crate) fn typed_parameters(&self) -> impl Iterator<Item = (Parameter, ArrayViewD<'_, f32>)> {
        Parameter::all(&self.config).filter_map(|parameter| {
            let index = parameter.layer * self.config.directions() + usize::from(parameter.reverse);
            Some((parameter, self.directions.get(index)?.get(parameter.kind)?))
        })
    }
}

impl Config {
    /// Returns the name and the shape of each parameter, in PyTorch's order. A size that overflows is
    /// `usize::MAX`; [`Config::validate`] rejects such a configuration.
    pub fn parameters(&self) -> impl Iterator<Item = (String, Vec<usize>)> + use<> {
        let config = *self;
        Parameter::all(self).map(move |parameter| (parameter.to_string(), parameter.shape(&config)))
    }
}

impl DirectionWeights {
    /// Returns a copy.
    fn copied(&self) -> Result<Self, Error> {
        let matrix = |values: &Array2<f32>| copied("a copy of the weights", &values.view());
        let vector = |values: &Array1<f32>| copied("a copy of the weights", &values.view());
        Ok(DirectionWeights {
            weight_ih: matrix(&self.weight_ih)?,
            weight_hh: matrix(&self.weight_hh)?,
            bias_ih: self.bias_ih.as_ref().map(vector).transpose()?,
            bias_hh: self.bias_hh.as_ref().map(vector).transpose()?,
            weight_hr: self.weight_hr.as_ref().map(matrix).transpose()?,
            weight_ch: self.weight_ch.as_ref().map(vector).transpose()?,
        })
    }

    /// Returns the parameter of that kind, if the configuration has it.
    fn get(&self, kind: ParameterKind) -> Option<ArrayViewD<'_, f32>> {
        match kind {
            ParameterKind::WeightIh => Some(self.weight_ih.view().into_dyn()),
            ParameterKind::WeightHh => Some(self.weight_hh.view().into_dyn()),
            ParameterKind::BiasIh => self.bias_ih.as_ref().map(|bias| bias.view().into_dyn()),
            ParameterKind::BiasHh => self.bias_hh.as_ref().map(|bias| bias.view().into_dyn()),
            ParameterKind::WeightHr => self.weight_hr.as_ref().map(|weight| weight.view().into_dyn()),
            ParameterKind::WeightCh => self.weight_ch.as_ref().map(|weight| weight.view().into_dyn()),
        }
    }
}

/// Loads one parameter and checks it.
fn take(
    config: &Config,
    name: &impl Fn(&Parameter) -> String,
    parameter: Parameter,
    load: &mut impl FnMut(&Parameter, &str) -> Result<ArrayD<f32>, Error>,
) -> Result<ArrayD<f32>, Error> {
    let name = name(&parameter);
    let tensor = load(&parameter, &name)?;
    let expected = parameter.shape(config);
    if tensor.shape() != expected {
        return Err(Error::from(Fault::Shape { name, expected, found: tensor.shape().to_vec() }));
    }
    check_finite(&name, &tensor.view())?;
    Ok(tensor)
}

/// Checks that there is memory for all parameters before any is drawn, since drawing takes long.
fn check_memory(config: &Config) -> Result<(), Error> {
    let count = |parameter: Parameter| parameter.shape(config).iter().product::<usize>();
    let all: usize = Parameter::all(config).map(count).sum();
    let mut values = Vec::<f32>::new();
    values
        .try_reserve_exact(all)
        .map_err(|_| Error::from(Fault::OutOfMemory { found: format!("{all} parameters of {config}") }))
}

/// Converts to an array of `D`'s rank, in row-major order.
fn fixed<D: Dimension>(tensor: ArrayD<f32>) -> Result<Array<f32, D>, Error> {
    let found = tensor.shape().to_vec();
    match tensor.into_dimensionality::<D>() {
        Ok(array) if array.is_standard_layout() => Ok(array),
        Ok(array) => copied("a parameter", &array.view()),
        Err(_) => Err(Error::from(Fault::Shape {
            name: "parameter".into(),
            expected: vec![0; D::NDIM.unwrap_or(0)],
            found,
        })),
    }
}
