//! WebAssembly's instructions.

use crate::instruction::{Arithmetic, Flow, Instruction, Operation, split_operation};

pub(crate) fn instruction(text: &str) -> Instruction<'_> {
    let (op, _) = split_operation(text);
    let (kind, name) = op.split_once('.').unwrap_or((op, ""));
    let is_float = matches!(kind, "v128" | "f32" | "f64");
    Instruction {
        text,
        flow: match op {
            "loop" => Flow::LoopStart,
            "end_loop" => Flow::LoopEnd,
            "call" | "call_indirect" => Flow::Call,
            _ => Flow::Next,
        },
        arithmetic: arithmetic(kind, name),
        loads: u32::from(is_float && name.starts_with("load")),
        // The stack that has addresses holds no vectors of a loop: these are locals.
        from_stack: false,
        stores: name.starts_with("store") || kind == "memory",
        // What names a value or a place for the engine's compiler.
        is_free: matches!(kind, "local" | "block" | "end_block" | "loop" | "end_loop") || name == "const",
    }
}

fn arithmetic(kind: &str, name: &str) -> Option<Arithmetic> {
    let lanes = match kind {
        "f32x4" => 4,
        "f64x2" => 2,
        "f32" | "f64" => 1,
        _ => return None,
    };
    let operation = match name {
        "relaxed_madd" | "relaxed_nmadd" => Operation::MulAdd,
        "mul" => Operation::Mul,
        "add" | "sub" => Operation::Add,
        "div" => Operation::Div,
        "sqrt" | "min" | "max" | "pmin" | "pmax" | "relaxed_min" | "relaxed_max" => Operation::Other,
        _ => return None,
    };
    Some(Arithmetic { operation: if kind.starts_with("f64") { Operation::Other } else { operation }, lanes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_says_by_its_name_what_it_does() {
        let mul = instruction("f32x4.mul ");
        assert_eq!(mul.arithmetic, Some(Arithmetic { operation: Operation::Mul, lanes: 4 }));
        assert_eq!(
            instruction("f32.add").arithmetic,
            Some(Arithmetic { operation: Operation::Add, lanes: 1 })
        );
        assert_eq!(instruction("v128.load32_splat\t0").loads, 1);
        assert_eq!(instruction("i32.load\t8").loads, 0);
        assert!(instruction("v128.store\t48").stores);
        assert!(instruction("local.get\t3").is_free);
        assert_eq!(instruction("loop    \t").flow, Flow::LoopStart);
    }
}
