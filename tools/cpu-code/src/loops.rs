//! The innermost loops of a function.

use std::collections::{BTreeMap, BTreeSet};

use crate::instruction::{Flow, Instruction, Line};

/// The instructions of each loop that has no other one inside.
pub(crate) fn innermost<'a>(code: &[Line<'a>]) -> Vec<Vec<Instruction<'a>>> {
    let has_brackets =
        code.iter().any(|line| matches!(line, Line::Instruction(Instruction { flow: Flow::LoopStart, .. })));
    if has_brackets { between_brackets(code) } else { between_jumps(code) }
}

/// What lies between the start of a loop and the next end, with no other start in between.
fn between_brackets<'a>(code: &[Line<'a>]) -> Vec<Vec<Instruction<'a>>> {
    let mut found = Vec::new();
    let mut open = None;
    for instruction in instructions(code) {
        match instruction.flow {
            Flow::LoopStart => open = Some(Vec::new()),
            Flow::LoopEnd => found.extend(open.take()),
            _ => open.iter_mut().for_each(|open| open.push(instruction)),
        }
    }
    found
}

pub(crate) fn instructions<'a>(code: &[Line<'a>]) -> impl Iterator<Item = Instruction<'a>> {
    code.iter().filter_map(|line| match line {
        Line::Instruction(instruction) => Some(*instruction),
        Line::Label(_) => None,
    })
}

/// Instructions that are executed one after the other, and the blocks that may be next.
#[derive(Default)]
struct Block<'a> {
    instructions: Vec<Instruction<'a>>,
    next: BTreeSet<usize>,
}

fn between_jumps<'a>(code: &[Line<'a>]) -> Vec<Vec<Instruction<'a>>> {
    let blocks = blocks(code);
    let all = (0..blocks.len()).collect();
    let cycles = cycles(&blocks, &all, &BTreeSet::new());
    let instructions = |cycle: BTreeSet<usize>| {
        cycle.into_iter().flat_map(|block| blocks[block].instructions.clone()).collect()
    };
    cycles.into_iter().map(instructions).collect()
}

fn blocks<'a>(code: &[Line<'a>]) -> Vec<Block<'a>> {
    let mut labels = BTreeMap::new();
    let mut blocks = vec![Block::default()];
    let mut is_new = true;
    for line in code {
        let is_label = matches!(line, Line::Label(_));
        if (is_label && !is_new) || blocks.last().is_some_and(ends) {
            blocks.push(Block::default());
        }
        let last = blocks.len() - 1;
        is_new = is_label;
        match line {
            Line::Label(label) => drop(labels.insert(*label, last)),
            Line::Instruction(instruction) => blocks[last].instructions.push(*instruction),
        }
    }
    let count = blocks.len();
    for (index, block) in blocks.iter_mut().enumerate() {
        let flow = block.instructions.last().map(|last| last.flow).unwrap_or_default();
        if let Flow::Jump(label) | Flow::Branch(label) = flow {
            block.next.extend(labels.get(label));
        }
        // A call at a block's end is one that does not return: what fails is called so.
        if matches!(flow, Flow::Next | Flow::Branch(_)) && index + 1 < count {
            block.next.insert(index + 1);
        }
    }
    blocks
}

fn ends(block: &Block<'_>) -> bool {
    block.instructions.last().is_some_and(|last| !matches!(last.flow, Flow::Next | Flow::Call))
}

/// The innermost cycles among `nodes`, when nothing leads to `cut`.
fn cycles(blocks: &[Block<'_>], nodes: &BTreeSet<usize>, cut: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
    let next = |node: usize| {
        blocks[node].next.iter().copied().filter(|next| nodes.contains(next) && !cut.contains(next))
    };
    let reached: BTreeMap<usize, BTreeSet<usize>> = nodes
        .iter()
        .map(|&node| {
            let (mut reached, mut open) = (BTreeSet::new(), vec![node]);
            while let Some(node) = open.pop() {
                open.extend(next(node).filter(|&next| reached.insert(next)));
            }
            (node, reached)
        })
        .collect();
    let mut left: BTreeSet<usize> =
        nodes.iter().copied().filter(|node| reached[node].contains(node)).collect();
    let mut found = Vec::new();
    while let Some(&first) = left.first() {
        let cycle: BTreeSet<usize> = reached[&first]
            .iter()
            .copied()
            .filter(|node| left.contains(node) && reached[node].contains(&first))
            .collect();
        left.retain(|node| !cycle.contains(node));
        // A turn begins where the cycle is entered.
        let is_entry = |node: &usize| {
            blocks.iter().enumerate().any(|(from, block)| !cycle.contains(&from) && block.next.contains(node))
        };
        let mut starts: BTreeSet<usize> = cycle.iter().copied().filter(is_entry).collect();
        if starts.is_empty() {
            starts.insert(first);
        }
        let inner = cycles(blocks, &cycle, &starts.union(cut).copied().collect());
        if inner.is_empty() { found.push(cycle) } else { found.extend(inner) }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly;

    /// The last instructions of the innermost loops.
    fn ends(assembly: &str) -> Vec<Vec<&str>> {
        let functions = assembly::functions(assembly);
        let loops = functions.iter().flat_map(|function| innermost(&function.code()));
        loops.map(|found| found.iter().map(|instruction| instruction.text).collect()).collect()
    }

    #[test]
    fn a_loop_around_another_one_does_not_count() {
        let assembly = "
f:
.L1:
	incq	%rax
.L2:
	incq	%rbx
	je	.L4
	incq	%rcx
	jne	.L2
	callq	f
	jne	.L1
	ret
.L4:
	callq	fail
";
        assert_eq!(ends(assembly), [["incq\t%rbx", "je\t.L4", "incq\t%rcx", "jne\t.L2"]]);
    }

    #[test]
    fn a_jump_back_to_the_middle_of_a_turn_is_no_loop_within_it() {
        // The compiler puts the end of a loop before its start, and jumps over it.
        let assembly = "
f:
	jmp	.L2
.L1:
	incq	%rax
	je	.L3
.L2:
	incq	%rbx
	jb	.L1
	incq	%rcx
.L4:
	incq	%rdx
	jne	.L4
	jmp	.L1
.L3:
	ret
";
        assert_eq!(ends(assembly), [["incq\t%rdx", "jne\t.L4"]]);
    }

    #[test]
    fn a_call_that_does_not_return_leads_nowhere() {
        let assembly = "
f:
.L1:
	je	.L2
	ret
.L2:
	callq	fail
.L3:
	jmp	.L1
";
        assert_eq!(ends(assembly), Vec::<Vec<&str>>::new());
    }

    #[test]
    fn brackets_are_loops_in_web_assembly() {
        let assembly = "
f:
	.functype	f (i32) -> ()
	loop    	
	i32.add 
	loop    	
	i32.mul 
	br_if   	0
	end_loop
	end_loop
";
        assert_eq!(ends(assembly), [["i32.mul", "br_if   \t0"]]);
    }

    #[test]
    fn straight_code_has_no_loops() {
        assert_eq!(ends("f:\n\tb\t.L1\n.L1:\n\tret\n"), Vec::<Vec<&str>>::new());
    }
}
