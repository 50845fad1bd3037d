//! Combines recurrent nodes to the layers that they were exported from.

use super::flow::{Flow, Recurrent};
use super::node::Node;

/// Returns the nodes of each layer, the lowest first.
pub(super) fn stacks(flow: Flow<'_>) -> Vec<Vec<Recurrent<'_>>> {
    let lower: Vec<Option<usize>> = (0..flow.nodes.len()).map(|place| lower(&flow.nodes, place)).collect();
    let mut stacks: Vec<Vec<Recurrent<'_>>> = Vec::new();
    // The stack of each node. A node comes after the nodes that it reads.
    let mut stack_of = Vec::new();
    for (node, lower) in flow.nodes.into_iter().zip(lower) {
        match lower.and_then(|lower| stack_of.get(lower).copied()) {
            Some(stack) => {
                stack_of.push(stack);
                let nodes: &mut Vec<_> = &mut stacks[stack];
                nodes.push(node);
            }
            None => {
                stack_of.push(stacks.len());
                stacks.push(vec![node]);
            }
        }
    }
    stacks
}

/// Returns the node that a node is stacked on: a layer of the same kind whose output goes only to it.
fn lower(nodes: &[Recurrent<'_>], place: usize) -> Option<usize> {
    let upper = &nodes[place];
    let below = upper.below?;
    let lower = &nodes[below];
    let alike = stackable(lower.node.as_ref().ok()?, upper.node.as_ref().ok()?);
    let alone = lower.readers == 1 && !lower.escapes && !upper.state_from_recurrent;
    (alike && alone).then_some(below)
}

fn stackable(lower: &Node<'_>, upper: &Node<'_>) -> bool {
    let attributes = &lower.attributes;
    *attributes == upper.attributes
        && upper.input_size == attributes.direction.count() * attributes.hidden_size
        && lower.lengths == upper.lengths
        && lower.p.is_none()
        && upper.p.is_none()
        && lower.initial_h.is_zero() == upper.initial_h.is_zero()
        && lower.initial_c.is_zero() == upper.initial_c.is_zero()
}
