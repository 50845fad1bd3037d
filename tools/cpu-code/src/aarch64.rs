//! The instructions of 64-bit Arm, where the target stands first, in both notations: `fmla v0.4s, ..` and, on Apple's
//! systems, `fmla.4s v0, ..`.

use crate::instruction::{Arithmetic, Flow, Instruction, Operation, operands, split_operation};

pub(crate) fn instruction(text: &str) -> Instruction<'_> {
    let (op, rest) = split_operation(text);
    let operands = operands(rest);
    let target = operands.first().copied().unwrap_or_default();
    let loads = if op.starts_with("ld") { loads(op, target) } else { 0 };
    Instruction {
        text,
        flow: flow(op, operands.last().copied().unwrap_or_default()),
        arithmetic: arithmetic(op, target),
        loads,
        from_stack: loads > 0 && rest.contains("[sp"),
        stores: op.starts_with("st"),
        is_free: false,
    }
}

fn flow<'a>(op: &str, last: &'a str) -> Flow<'a> {
    match op {
        "b" => Flow::Jump(last),
        "bl" | "blr" => Flow::Call,
        "br" | "ret" | "brk" | "udf" => Flow::Leave,
        "cbz" | "cbnz" | "tbz" | "tbnz" => Flow::Branch(last),
        _ if op.starts_with("b.") => Flow::Branch(last),
        _ => Flow::Next,
    }
}

fn arithmetic(op: &str, target: &str) -> Option<Arithmetic> {
    let name = op.split('.').next().unwrap_or(op);
    let operation = match name {
        "fmla" | "fmls" | "fmadd" | "fmsub" | "fnmadd" | "fnmsub" => Operation::MulAdd,
        "fmul" | "fnmul" | "fmulx" => Operation::Mul,
        "fadd" | "fsub" => Operation::Add,
        "fdiv" => Operation::Div,
        "fsqrt" | "fmax" | "fmin" | "fmaxnm" | "fminnm" | "faddp" | "fabd" | "frecpe" | "frsqrte" => {
            Operation::Other
        }
        _ => return None,
    };
    // The arrangement of a vector, behind the register or behind the operation. A single float has none.
    match op.split_once('.').or(target.split_once('.')) {
        Some((_, "4s")) => Some(Arithmetic { operation, lanes: 4 }),
        Some((_, "2s")) => Some(Arithmetic { operation, lanes: 2 }),
        Some(_) => Some(Arithmetic { operation: Operation::Other, lanes: 2 }),
        None if target.starts_with('s') => Some(Arithmetic { operation, lanes: 1 }),
        None => Some(Arithmetic { operation: Operation::Other, lanes: 1 }),
    }
}

/// Vectors and single floats that a load brings.
fn loads(op: &str, target: &str) -> u32 {
    let is_float = target.starts_with(['q', 'd', 's', 'v', '{']) && !target.starts_with("sp");
    match op.split('.').next() {
        _ if !is_float => 0,
        Some("ldp" | "ldnp") => 2,
        // Registers in braces: `ld1 { v0.4s, v1.4s }, [x0]`.
        _ => u32::try_from(target.split(',').count()).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_told_by_name_and_arrangement() {
        let arithmetic = |text| instruction(text).arithmetic.map(|found| (found.operation, found.lanes));
        assert_eq!(arithmetic("fmla\tv31.4s, v12.4s, v11.4s"), Some((Operation::MulAdd, 4)));
        assert_eq!(arithmetic("fmla\tv31.4s, v12.4s, v11.s[0]"), Some((Operation::MulAdd, 4)));
        assert_eq!(arithmetic("fmla.4s\tv31, v12, v11[0]"), Some((Operation::MulAdd, 4)));
        assert_eq!(arithmetic("fmla\tv31.2s, v12.2s, v11.2s"), Some((Operation::MulAdd, 2)));
        assert_eq!(arithmetic("fmadd\ts0, s1, s2, s3"), Some((Operation::MulAdd, 1)));
        assert_eq!(arithmetic("fdiv\tv0.4s, v1.4s, v2.4s"), Some((Operation::Div, 4)));
        assert_eq!(arithmetic("fmul\td0, d1, d2"), Some((Operation::Other, 1)));
        for none in ["add\tx5, x24, x4, lsl #2", "ldp\tq9, q8, [x2]", "fmov\ts0, #1.0", "b.lo\t.LBB8_27"] {
            assert_eq!(arithmetic(none), None, "{none}");
        }
    }

    #[test]
    fn loads_are_those_of_vectors() {
        let loads = |text| (instruction(text).loads, instruction(text).from_stack);
        assert_eq!(loads("ldp\tq9, q8, [x2]"), (2, false));
        assert_eq!(loads("ldp\tq9, q8, [sp, #32]"), (2, true));
        assert_eq!(loads("ld1r\t{ v12.4s }, [x5], x26"), (1, false));
        assert_eq!(loads("ld1\t{ v12.4s, v13.4s }, [x5]"), (2, false));
        assert_eq!(loads("ldr\ts13, [x5]"), (1, false));
        assert_eq!(loads("ldp\tx10, x13, [sp, #16]"), (0, false));
    }

    #[test]
    fn stores_and_jumps_are_told_by_name() {
        for text in
            ["str\tq0, [sp]", "stp\tx29, x30, [sp, #-80]!", "st1\t{ v0.4s }, [x0]", "stur\tx14, [x29, #-8]"]
        {
            assert!(instruction(text).stores, "{text}");
        }
        assert_eq!(instruction("b\t.LBB0_1").flow, Flow::Jump(".LBB0_1"));
        assert_eq!(instruction("b.hi\t.LBB0_1").flow, Flow::Branch(".LBB0_1"));
        assert_eq!(instruction("tbnz\tw0, #0, .LBB0_1").flow, Flow::Branch(".LBB0_1"));
        assert_eq!(instruction("bl\tfail").flow, Flow::Call);
    }
}
