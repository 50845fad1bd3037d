//! Weights stored as halves: every implementation computes with the rounded weights, and stays as near to the given
//! ones as `tolerance` says.

use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{Config, ErrorKind, Layer, LayerOptions, Precision, Weights, reference};

use crate::case;
use crate::harness::{assert_within, on_each, random, replaced};

/// One of each cell, stacked, projected and in both directions among them, at sizes around the quads and tiles.
fn configs() -> [(Config, usize); 8] {
    [
        (Config::rnn(5, 9), 1),
        (Config::rnn_relu(6, 70), 9),
        (Config::lstm(5, 16), 1),
        (Config::lstm(5, 9).proj_size(4).num_layers(2).bidirectional(true), 3),
        (Config::gru(4, 17).bidirectional(true), 9),
        (Config::gru(3, 8).num_layers(3), 1),
        (Config::gru(4, 17).reset_after(false), 9),
        (Config::lstm(20, 33).num_layers(2), 9),
    ]
}

#[test]
fn every_implementation_computes_with_the_rounded_weights() {
    for (config, n) in configs() {
        let weights = Weights::seeded(config, 30).unwrap();
        let rounded = Precision::F16.round(&weights).unwrap();
        assert_ne!(*rounded, weights);
        let x = random((n, 7, config.input_size), 1.0, 31);
        let states = config.num_layers * config.directions();
        let h_0 = random((states, n, config.hidden_output_size()), 1.0, 32);
        let lengths: Vec<usize> = (0..n).map(|row| 7 - row % 8).collect();
        let input = case::with_lengths(&x, Some(&lengths)).state(h_0.view());
        // Of the rounded weights, with no more than f32's own tolerance; and of the given ones.
        let of_rounded = reference::forward(&rounded, &input).unwrap();
        let allowed = tolerance::forward(&rounded, Precision::F32, &input).unwrap();
        let of_given = reference::forward(&weights, &input).unwrap();
        let allowed_to_halves = tolerance::forward(&weights, Precision::F16, &input).unwrap();
        on_each(|implementation| {
            let layer = implementation
                .layer_with(&weights, |options| LayerOptions { precision: Precision::F16, ..options });
            let found = layer.forward(&input).unwrap();
            let what = format!("{config}, N={n}");
            assert_within(&what, &found, &of_rounded, &allowed);
            assert_within(&what, &found, &of_given, &allowed_to_halves);
        });
    }
}

/// The largest part of its tolerance that any case of the golden set uses, after its weights were rounded.
fn worst_of_golden(round: impl Fn(&Weights) -> Weights) -> (f64, String) {
    let mut worst = (0.0, String::new());
    for case in case::all() {
        let input = case.input();
        let layer = Layer::new(&round(&case.weights), wgpu_rnn::Backend::Reference).unwrap();
        let allowed = tolerance::forward(&case.weights, Precision::F16, &input).unwrap();
        let found = Comparison::new(&layer.forward(&input).unwrap(), &case.expected, &allowed).unwrap();
        println!("{:<36} {:.1e} ({:.3})", case.name, found.absolute, found.ratio);
        if found.ratio > worst.0 {
            worst = (found.ratio, case.name.clone());
        }
    }
    worst
}

/// `cargo test --test suite -- --nocapture precision::golden` prints the errors.
#[test]
fn golden_cases_with_rounded_weights_are_within_the_stated_bound() {
    let (ratio, name) = worst_of_golden(|weights| Precision::F16.round(weights).unwrap().into_owned());
    println!("most of a tolerance: {ratio:.3}, {name}");
    assert!(ratio <= 1.0, "{name}: {ratio}");
}

/// Three bits less, as bf16 has, are too few: the bound is no wider than halves need by a factor of eight.
#[test]
fn coarser_weights_are_noticed() {
    let coarse = |weights: &Weights| {
        replaced(weights, |_: &str, values| {
            values.mapv(|value| f32::from_bits(value.to_bits() & 0xffff_0000))
        })
    };
    let (ratio, _) = worst_of_golden(coarse);
    assert!(ratio > 1.0, "{ratio}");
}

#[test]
fn a_weight_too_large_for_a_half_is_an_error_on_every_backend() {
    let weights = Weights::seeded(Config::gru(2, 3), 0).unwrap();
    let large = replaced(&weights, |parameter, mut values| {
        if parameter == "weight_hh_l0" {
            values[[4, 1]] = -65520.0;
        }
        values
    });
    on_each(|implementation| {
        let options = LayerOptions { precision: Precision::F16, ..LayerOptions::default() };
        let error = Layer::new(&large, (implementation.backend.clone(), options)).unwrap_err();
        assert!(error.kind() == ErrorKind::Tensor);
        assert_eq!(
            error.to_string(),
            "weight_hh_l0[4, 1]: expected a weight that f16 can hold (at most 65504), found -65520"
        );
        implementation.layer(&large);
    });
}
