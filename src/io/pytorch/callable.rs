//! The callables that a pickle may name. None is ever called: the data that each of them would make is made
//! here, or the tensors do not need it.

use super::value::{Item, Key, Tensor, Value, Values};

/// The largest number of dimensions of a tensor.
const MOST_DIMENSIONS: usize = 16;

/// Classes and functions of plain data that stands beside tensors in checkpoints.
const PLAIN: &[(&str, &str)] = &[
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("collections", "deque"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "list"),
    ("builtins", "dict"),
    ("builtins", "tuple"),
    ("builtins", "bytearray"),
    ("builtins", "complex"),
    ("builtins", "slice"),
    ("builtins", "range"),
    ("__builtin__", "set"),
    ("__builtin__", "frozenset"),
    ("__builtin__", "bytearray"),
    ("__builtin__", "complex"),
    ("__builtin__", "slice"),
    ("__builtin__", "xrange"),
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    ("datetime", "datetime"),
    ("datetime", "date"),
    ("datetime", "timedelta"),
    ("pathlib", "PosixPath"),
    ("pathlib", "PurePosixPath"),
    ("pathlib", "WindowsPath"),
    ("pathlib", "PureWindowsPath"),
    ("pathlib._local", "PosixPath"),
    ("pathlib._local", "WindowsPath"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch.serialization", "_get_layout"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"),
    ("lightning.pytorch.utilities.parsing", "AttributeDict"),
    ("lightning_fabric.utilities.data", "AttributeDict"),
    ("lightning.fabric.utilities.data", "AttributeDict"),
    ("easydict", "EasyDict"),
    ("omegaconf.dictconfig", "DictConfig"),
    ("omegaconf.listconfig", "ListConfig"),
    ("omegaconf.base", "ContainerMetadata"),
    ("omegaconf.base", "Metadata"),
    ("omegaconf.nodes", "AnyNode"),
    ("omegaconf.nodes", "IntegerNode"),
    ("omegaconf.nodes", "FloatNode"),
    ("omegaconf.nodes", "BooleanNode"),
    ("omegaconf.nodes", "StringNode"),
];

/// Functions that make a tensor which is no plain view into a storage.
const OTHER_TENSORS: &[&str] = &[
    "_rebuild_qtensor",
    "_rebuild_sparse_tensor",
    "_rebuild_sparse_csr_tensor",
    "_rebuild_meta_tensor_no_storage",
    "_rebuild_nested_tensor",
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_device_tensor_from_cpu_tensor",
];

/// Returns whether a class is one of modules: PyTorch's own, or one of a TorchScript archive.
fn is_module(module: &str) -> bool {
    let below =
        |above: &str| module.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    below("torch.nn.modules") || below("__torch__") || below("torch.nn.parallel")
}

/// Returns what a callable makes of its arguments, or none if it is not one of those that are known.
///
/// # Errors
///
/// The reason why the arguments are not those of the callable.
pub(super) fn call<'a>(
    values: &mut Values<'a>,
    (module, name): (&str, &str),
    arguments: Value<'a>,
) -> Option<Result<Value<'a>, String>> {
    let argument = |values: &Values<'a>, place: usize| {
        values.sequence(arguments).get(place).map_or(Value::Other, |item| item.value)
    };
    let first = argument(values, 0);
    Some(Ok(match (module, name) {
        ("collections", "OrderedDict") => {
            let pairs = matches!(first, Value::Sequence(_)).then_some(Item { key: Key::Pairs, value: first });
            Value::Dict(values.contain(pairs.into_iter().collect()))
        }
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
            let [offset, shape, strides] = [1, 2, 3].map(|place| argument(values, place));
            let dtype = if name == "_rebuild_tensor_v3" { argument(values, 6) } else { Value::Other };
            return Some(tensor(values, first, offset, [shape, strides], dtype));
        }
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
        | ("torch.nn.parameter", "Parameter" | "Buffer") => first,
        ("torch._tensor" | "torch.tensor", "_rebuild_from_type_v2" | "_rebuild_from_type") => {
            // The arguments: the function that rebuilds the tensor, the class, the function's arguments and
            // the tensor's attributes.
            let Value::Global(module, function) = first else { return None };
            let (module, function) = (str::from_utf8(module).ok()?, str::from_utf8(function).ok()?);
            if !function.starts_with("_rebuild_tensor") && function != "_rebuild_parameter" {
                return None;
            }
            let arguments = argument(values, 2);
            return call(values, (module, function), arguments);
        }
        ("torch._utils", other) if OTHER_TENSORS.contains(&other) => {
            values.tensors.push(Tensor {
                storage: None,
                dtype: Some(other.trim_start_matches("_rebuild_").to_owned()),
                offset: 0,
                shape: Vec::new(),
                strides: Vec::new(),
            });
            Value::Tensor(values.tensors.len() - 1)
        }
        // TorchScript's typed lists.
        ("torch.jit._pickle", _) => first,
        ("copyreg" | "copy_reg", "_reconstructor") => {
            let Value::Global(module, class) = first else { return None };
            let class = (str::from_utf8(module).ok()?, str::from_utf8(class).ok()?);
            return call(values, class, Value::Other);
        }
        known if is_module(module) || PLAIN.contains(&known) => Value::Object(values.contain(Vec::new())),
        _ => return None,
    }))
}

fn tensor<'a>(
    values: &mut Values<'a>,
    storage: Value<'a>,
    offset: Value<'a>,
    [shape, strides]: [Value<'a>; 2],
    dtype: Value<'a>,
) -> Result<Value<'a>, String> {
    let (Value::Storage(storage), Value::Int(offset)) = (storage, offset) else {
        return Err("one without a storage and an offset".into());
    };
    let [shape, strides] = [shape, strides].map(|counts| values.counts(counts, MOST_DIMENSIONS));
    match (usize::try_from(offset), shape, strides) {
        (Ok(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
            let dtype = match dtype {
                Value::Global(_, name) => Some(String::from_utf8_lossy(name).into_owned()),
                _ => None,
            };
            values.tensors.push(Tensor { storage: Some(storage), dtype, offset, shape, strides });
            Ok(Value::Tensor(values.tensors.len() - 1))
        }
        _ => {
            Err(format!("one without an offset, a shape and strides of at most {MOST_DIMENSIONS} dimensions"))
        }
    }
}
