//! x86-64's instructions, in AT&T's notation, where the target stands last.

use crate::instruction::{Arithmetic, Flow, Instruction, Operation, operands, split_operation};

/// What reads memory that stands where other instructions have their target.
const READERS: [&str; 16] = [
    "cmp", "test", "ucomis", "vucomis", "comis", "vcomis", "ptest", "vptest", "prefetch", "nop", "jmp",
    "call", "mulq", "imulq", "divq", "idivq",
];

pub(crate) fn instruction(text: &str) -> Instruction<'_> {
    let (op, rest) = split_operation(text);
    let operands = operands(rest);
    let target = operands.last().copied().unwrap_or_default();
    let sources = &operands[..operands.len().saturating_sub(1)];
    let is_vector = operands.iter().any(|operand| lanes(operand).is_some());
    let load = sources.iter().find(|operand| is_memory(operand)).filter(|_| is_vector);
    let is_pure_reader =
        READERS.iter().any(|reader| op.starts_with(reader)) || matches!(op, "bt" | "btl" | "btq");
    Instruction {
        text,
        flow: flow(op, target),
        arithmetic: arithmetic(op, target),
        loads: u32::from(load.is_some()),
        from_stack: load.is_some_and(|operand| operand.contains("%rsp")),
        stores: is_memory(target) && !is_pure_reader || op.starts_with("push") || op == "rep",
        is_free: false,
    }
}

fn flow<'a>(op: &str, target: &'a str) -> Flow<'a> {
    match op {
        "jmp" | "jmpq" if target.starts_with('*') => Flow::Leave,
        "jmp" | "jmpq" => Flow::Jump(target),
        "call" | "callq" => Flow::Call,
        "ret" | "retq" | "ud2" | "int3" => Flow::Leave,
        _ if op.starts_with('j') => Flow::Branch(target),
        _ => Flow::Next,
    }
}

fn arithmetic(op: &str, target: &str) -> Option<Arithmetic> {
    let name = op.strip_prefix('v').unwrap_or(op);
    let (name, precision) = name.split_at_checked(name.len().checked_sub(2)?)?;
    let is_multiply_add = ["fmadd", "fmsub", "fnmadd", "fnmsub"].iter().any(|start| name.starts_with(start));
    let operation = match name {
        _ if is_multiply_add => Operation::MulAdd,
        "mul" => Operation::Mul,
        "add" | "sub" => Operation::Add,
        "div" => Operation::Div,
        "sqrt" | "rsqrt" | "rsqrt14" | "rcp" | "rcp14" | "min" | "max" | "hadd" | "hsub" | "addsub"
        | "dp" => Operation::Other,
        _ => return None,
    };
    let lanes = lanes(target)?;
    match precision {
        "ps" => Some(Arithmetic { operation, lanes }),
        "ss" => Some(Arithmetic { operation, lanes: 1 }),
        "pd" => Some(Arithmetic { operation: Operation::Other, lanes: lanes / 2 }),
        "sd" => Some(Arithmetic { operation: Operation::Other, lanes: 1 }),
        _ => None,
    }
}

/// Floats of a vector register. A mask may follow it.
fn lanes(operand: &str) -> Option<u32> {
    [("%xmm", 4), ("%ymm", 8), ("%zmm", 16)]
        .into_iter()
        .find_map(|(register, lanes)| operand.starts_with(register).then_some(lanes))
}

fn is_memory(operand: &str) -> bool {
    operand.contains('(')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(operation: Operation, lanes: u32) -> Option<Arithmetic> {
        Some(Arithmetic { operation, lanes })
    }

    #[test]
    fn arithmetic_is_told_by_name_and_register() {
        let arithmetic = |text| instruction(text).arithmetic;
        assert_eq!(arithmetic("vfmadd231ps\t%zmm29, %zmm30, %zmm23"), float(Operation::MulAdd, 16));
        assert_eq!(
            arithmetic("vfmadd231ps\t(%rax,%rbx,4){1to16}, %zmm4, %zmm3"),
            float(Operation::MulAdd, 16)
        );
        assert_eq!(arithmetic("vfnmadd213ss\t%xmm1, %xmm2, %xmm3"), float(Operation::MulAdd, 1));
        assert_eq!(arithmetic("mulps\t%xmm9, %xmm14"), float(Operation::Mul, 4));
        assert_eq!(arithmetic("vsubps\t%ymm9, %ymm14, %ymm1 {%k1} {z}"), float(Operation::Add, 8));
        assert_eq!(arithmetic("divss\t%xmm9, %xmm14"), float(Operation::Div, 1));
        assert_eq!(arithmetic("vmulpd\t%ymm9, %ymm14, %ymm1"), float(Operation::Other, 4));
        for none in ["vmovaps\t(%rbp), %zmm24", "addq\t$64, %rbp", "vcmpltps\t%ymm0, %ymm1, %ymm2", "ret"] {
            assert_eq!(arithmetic(none), None, "{none}");
        }
    }

    #[test]
    fn loads_are_those_of_vectors() {
        let loads = |text| (instruction(text).loads, instruction(text).from_stack);
        assert_eq!(loads("vbroadcastss\t(%r9,%rdx,4), %zmm1"), (1, false));
        assert_eq!(loads("vfmadd231ps\t-96(%r8), %ymm2, %ymm1"), (1, false));
        assert_eq!(loads("movss\t(%rdi,%rbx,4), %xmm9"), (1, false));
        assert_eq!(loads("vmovups\t96(%rsp), %ymm4"), (1, true));
        assert_eq!(loads("movq\t96(%rsp), %rax"), (0, false));
        assert_eq!(loads("vmovups\t%ymm4, 96(%rsp)"), (0, false));
        assert_eq!(loads("leaq\t(%rcx,%rbp), %r15"), (0, false));
    }

    #[test]
    fn stores_have_their_target_in_memory() {
        for text in
            ["vmovups\t%zmm0, (%rax)", "incq\t8(%rsp)", "pushq\t%rax", "movl\t$0, (%rdi)", "setb\t(%rax)"]
        {
            assert!(instruction(text).stores, "{text}");
        }
        for text in [
            "cmpq\t%rax, (%rsp)",
            "testb\t$1, 8(%rsp)",
            "prefetcht0\t(%rax)",
            "jmpq\t*(%rax)",
            "mulq\t(%rax)",
        ] {
            assert!(!instruction(text).stores, "{text}");
        }
    }

    #[test]
    fn jumps_have_their_labels() {
        assert_eq!(instruction("jmp\t.LBB0_1").flow, Flow::Jump(".LBB0_1"));
        assert_eq!(instruction("jmpq\t*%rax").flow, Flow::Leave);
        assert_eq!(instruction("jbe\t.LBB0_1").flow, Flow::Branch(".LBB0_1"));
        assert_eq!(instruction("callq\t*fail@GOTPCREL(%rip)").flow, Flow::Call);
    }
}
