//! The operators that are computed.

use super::call::Call;
use super::{arithmetic, creation, movement, quantized, reduction};
use crate::Error;
use crate::io::onnx::array::Array;
use crate::io::onnx::budget::Budget;
use crate::io::onnx::data::Files;
use crate::io::onnx::proto::NodeProto;

/// Returns whether the first output of an operator has only values of its first input.
pub(in crate::io::onnx) fn moves(op_type: &str) -> bool {
    const MOVES: [&str; 15] = [
        "Cast",
        "CastLike",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Neg",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
    ];
    MOVES.contains(&op_type)
}

/// Returns whether a node makes zeros without an input that has them.
pub(super) fn makes_zeros(proto: &NodeProto<'_>, files: &dyn Files, budget: &Budget) -> bool {
    let value = |name| proto.attribute(name);
    match proto.op_type {
        "ConstantOfShape" => value("value")
            .is_none_or(|one| one.tensor.as_ref().is_some_and(|tensor| tensor.is_zero(files, budget))),
        "Constant" => match proto.attributes.first() {
            Some(one) if one.name == "value" => {
                one.tensor.as_ref().is_some_and(|tensor| tensor.is_zero(files, budget))
            }
            Some(one) if one.name == "value_float" => one.float.unwrap_or(0.0) == 0.0,
            Some(one) if one.name == "value_floats" => one.floats.iter().all(|&byte| byte == 0),
            _ => false,
        },
        _ => false,
    }
}

/// Returns the value of the output.
pub(super) fn value<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let op_type = call.proto.op_type;
    let quantized = matches!(op_type, "DequantizeLinear" | "QuantizeLinear");
    let folded = call.proto.is_standard() || (quantized && call.proto.domain == "com.microsoft");
    if !folded || (call.output > 0 && op_type != "Split") {
        return Err(call.unknown());
    }
    match op_type {
        "Constant" => creation::constant(call),
        "ConstantOfShape" => creation::constant_of_shape(call),
        "Range" => creation::range(call),
        "Shape" => creation::shape(call),
        "Size" => creation::size(call),
        "Identity" | "Dropout" => Ok(call.input(0)?.clone()),
        "Cast" | "CastLike" => arithmetic::cast(call),
        "Where" => arithmetic::choice(call),
        "DequantizeLinear" => quantized::dequantize(call),
        "QuantizeLinear" => quantized::quantize(call),
        "MatMul" => reduction::mat_mul(call),
        _ => movement::value(call)
            .or_else(|| reduction::value(call))
            .unwrap_or_else(|| arithmetic::value(call)),
    }
}
