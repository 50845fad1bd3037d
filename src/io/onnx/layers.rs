//! Combines recurrent nodes to the layers that they were exported from.

use super::flow::{Flow, Nodes, Recurrent};
use super::node::Node;

/// Returns the nodes of each layer, the lowest first.
pub(super) fn stacks(flow: Flow<'_>) -> Vec<Vec<Recurrent<'_>>> {
    let lower: Vec<Option<usize>> = (0..flow.nodes.len()).map(|place| lower(&flow.nodes, place)).collect();
    let mut stacks: Vec<(Vec<Recurrent<'_>>, Nodes)> = Vec::new();
    // The stack of each node. A node comes after the nodes that it reads.
    let mut stack_of = Vec::new();
    for (place, (node, lower)) in flow.nodes.into_iter().zip(lower).enumerate() {
        let stack = lower.and_then(|lower| stack_of.get(lower).copied());
        let stack: Option<usize> = stack.filter(|&stack: &usize| {
            // States that the stack itself computes are known only when it is done.
            stacks.get(stack).is_some_and(|(_, members)| !node.state_sources.has_any_of(*members))
        });
        let stack = stack.unwrap_or(stacks.len());
        if stack == stacks.len() {
            stacks.push((Vec::new(), Nodes::default()));
        }
        stack_of.push(stack);
        if let Some((nodes, members)) = stacks.get_mut(stack) {
            nodes.push(node);
            *members = members.union(Nodes::one(place));
        }
    }
    stacks.into_iter().map(|(nodes, _)| nodes).collect()
}

/// Returns the node that a node is stacked on: a layer of the same kind whose output goes only to it.
fn lower(nodes: &[Recurrent<'_>], place: usize) -> Option<usize> {
    let upper = &nodes[place];
    let below = upper.below?;
    let lower = &nodes[below];
    let alike = stackable(lower.node.as_ref().ok()?, upper.node.as_ref().ok()?);
    let alone = lower.readers == 1 && !lower.escapes;
    (alike && alone).then_some(below)
}

fn stackable(lower: &Node<'_>, upper: &Node<'_>) -> bool {
    let attributes = &lower.attributes;
    *attributes == upper.attributes
        && upper.input_size == attributes.direction.count() * attributes.hidden_size
        && lower.lengths == upper.lengths
        && lower.p.is_none()
        && upper.p.is_none()
        && lower.initial_h.given().is_some() == upper.initial_h.given().is_some()
        && lower.initial_c.given().is_some() == upper.initial_c.given().is_some()
}
