//! A case file: the inputs of a layer, and PyTorch's results.

use wgpu_rnn::io::Tensors;
use wgpu_rnn::ndarray::{ArrayD, IxDyn};
use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{Error, ErrorKind, LoadOptions, Output, Precision, Weights};

use crate::given::{Given, to_lengths};

/// A complete case with matching shapes.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) weights: Weights,
    /// The precision in which the devices store the weights.
    pub(super) precision: Precision,
    pub(super) given: Given,
    /// PyTorch's result in f64.
    pub(super) expected: Output<IxDyn, f64>,
    /// The tolerance for a result in f32, with weights of that precision.
    pub(super) tolerance: Output<IxDyn, f64>,
    /// The comparison of PyTorch's own f32 result with the f64 result.
    pub(super) torch: Comparison,
}

impl Case {
    /// Reads a case from its tensors.
    pub(super) fn from_tensors(
        name: String,
        tensors: &Tensors<'_>,
        precision: Precision,
    ) -> Result<Self, Error> {
        let weights = Weights::from_tensors(tensors, &LoadOptions::default())?;
        let optional = |name| tensors.dtype(name).map(|_| f32s(tensors, name)).transpose();
        let lengths = tensors.dtype("lengths").map(|_| to_lengths(&tensors.i64("lengths")?, false));
        let given = Given {
            input: f32s(tensors, "input")?,
            h_0: optional("h_0")?,
            c_0: optional("c_0")?,
            lengths: lengths.transpose()?,
        };
        given.check(weights.config())?;
        let tolerance = tolerance::forward(&weights, precision, &given.input())?;
        let torch = result(&tolerance, "", |name| f32s(tensors, name))?;
        let expected = result(&tolerance, "_f64", |name| f64s(tensors, name))?;
        let torch = Comparison::new(&torch, &expected, &tolerance)?;
        Ok(Case { name, weights, precision, given, expected, tolerance, torch })
    }
}

/// Reads the result of a forward pass from a file, and checks that it has the shapes of the layer's result.
fn result<A>(
    shapes: &Output<IxDyn, f64>,
    suffix: &str,
    read: impl Fn(&str) -> Result<ArrayD<A>, Error>,
) -> Result<Output<IxDyn, A>, Error> {
    let read = |name: &str, like: &ArrayD<f64>| {
        let name = format!("{name}{suffix}");
        of_shape(&name, read(&name)?, like.shape())
    };
    let c_n = shapes.c_n.as_ref().map(|like| read("c_n", like));
    Ok(Output::new(read("output", &shapes.output)?, read("h_n", &shapes.h_n)?, c_n.transpose()?))
}

/// Reads a tensor of f32. Another type is refused, since it would hide PyTorch's own error.
fn f32s(tensors: &Tensors<'_>, name: &str) -> Result<ArrayD<f32>, Error> {
    check_dtype(tensors, name, "f32")?;
    tensors.f32(name)
}

/// Reads a tensor of f64. Another type is refused.
fn f64s(tensors: &Tensors<'_>, name: &str) -> Result<ArrayD<f64>, Error> {
    check_dtype(tensors, name, "f64")?;
    tensors.f64(name)
}

fn check_dtype(tensors: &Tensors<'_>, name: &str, expected: &str) -> Result<(), Error> {
    match tensors.dtype(name) {
        Some(found) if found != expected => {
            let text = format!("{name}: expected dtype {expected}, found {found}");
            Err(Error::new(ErrorKind::Tensor, text))
        }
        _ => Ok(()),
    }
}

fn of_shape<A>(name: &str, values: ArrayD<A>, expected: &[usize]) -> Result<ArrayD<A>, Error> {
    if values.shape() == expected {
        return Ok(values);
    }
    let text = format!("{name}: expected shape {expected:?}, found {:?}", values.shape());
    Err(Error::new(ErrorKind::Tensor, text))
}
