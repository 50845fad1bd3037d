//! The overrides of `activation/variant.wgsl`.

use std::mem::discriminant;

use super::Override;
use crate::{Activation, Config};

/// Returns the overrides for the activation functions and the clip of a layer.
pub(in crate::gpu) fn variant_overrides(config: &Config) -> impl Iterator<Item = Override> {
    const NAMES: [[[&str; 3]; 3]; 2] = [
        [["F0", "F0_ALPHA", "F0_BETA"], ["G0", "G0_ALPHA", "G0_BETA"], ["H0", "H0_ALPHA", "H0_BETA"]],
        [["F1", "F1_ALPHA", "F1_BETA"], ["G1", "G1_ALPHA", "G1_BETA"], ["H1", "H1_ALPHA", "H1_BETA"]],
    ];
    let functions = [0, 1].map(|direction| config.activations_of(direction));
    let functions = NAMES.into_iter().flatten().zip(functions.into_iter().flatten());
    let functions = functions.flat_map(|([name, alpha, beta], function)| {
        let parameters = function.parameters();
        [
            Override::new(name, number(function)),
            Override::new(alpha, parameters[0]),
            Override::new(beta, parameters[1]),
        ]
    });
    functions.chain([Override::new("CLIP", config.clip.unwrap_or(f32::MAX))])
}

/// Returns the number of a function in `act` of `activation/variant.wgsl`: its position in [`Activation::ALL`].
fn number(function: Activation) -> u32 {
    let is_it = |other: &&Activation| discriminant(*other) == discriminant(&function);
    (0..).zip(Activation::ALL).find(|(_, other)| is_it(other)).map_or(u32::MAX, |(number, _)| number)
}
