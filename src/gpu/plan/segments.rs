//! The submissions of a forward pass, and the data that each one uploads and reads back.
//!
//! If time is divided into chunks, a layer of one direction needs only its chunk's steps of the input, and
//! the last layer completes the output chunk by chunk. With one submission for each run of chunks, the host
//! writes the input of the next run and reads the output of the previous one while the GPU computes. A
//! reverse direction starts at the other end of the sequence, so a bidirectional layer has one submission.

use std::ops::Range;

use super::dispatch::List;
use super::memory::PassMemory;
use super::request::{Request, small};

/// The bytes of input and output for which one more submission is worth its cost. A submission takes about
/// 100 µs on lavapipe, in which the host moves 13 bytes per nanosecond.
const SUBMISSION_BYTES: u64 = 1 << 20;
/// The bytes for which one more copy of a row's steps is worth its cost. A copy, including its recording,
/// takes 1.3 µs on lavapipe; the host moves bytes at the same rate.
const COPY_BYTES: u64 = 16 << 10;
/// The maximum number of runs of chunks. With eight runs, only an eighth of the host's transfers does not
/// overlap with the GPU's work.
const MOST_RUNS: usize = 8;

/// A part of a forward pass with a submission of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Segment {
    /// The range of the plan's dispatches.
    pub(in crate::gpu) dispatches: Range<usize>,
    /// The steps of the input that are uploaded for it.
    pub(in crate::gpu) input: Range<u32>,
    /// The steps of the output that are read back after it.
    pub(in crate::gpu) output: Range<u32>,
    /// Whether the lengths and the initial state are uploaded for it.
    pub(in crate::gpu) is_first: bool,
    /// Whether the final state is read back after it.
    pub(in crate::gpu) is_last: bool,
}

/// Divides the dispatches of a pass into segments.
pub(super) fn cut(request: &Request<'_>, bytes: &PassMemory, list: &List) -> Vec<Segment> {
    let (layers, dispatches, steps) =
        (request.config.num_layers, list.dispatches.len(), small(request.steps));
    let chunks = steps.div_ceil(bytes.chunk) as usize;
    let runs = runs(request, bytes, chunks);
    if runs < 2 {
        return vec![whole(dispatches, steps)];
    }
    let boundary = |run: usize| run * chunks / runs;
    let steps_of = |run| {
        let [start, end] = [run, run + 1].map(|run| boundary(run) * bytes.chunk as usize);
        small(start)..steps.min(small(end))
    };
    let of_layer = |layer: usize| (0..runs).map(move |run| (layer, run));
    let last = layers - 1;
    // The layers between the first and the last one belong to the last run of the first layer.
    let upper = if last > 0 { Some(of_layer(last)) } else { None };
    let mut segments: Vec<Segment> = of_layer(0)
        .chain(upper.into_iter().flatten())
        .map(|(layer, run)| Segment {
            dispatches: list.chunks[layer * chunks + boundary(run)]..dispatches,
            input: if layer == 0 { steps_of(run) } else { 0..0 },
            output: if layer == last { steps_of(run) } else { 0..0 },
            is_first: layer == 0 && run == 0,
            is_last: layer == last && run + 1 == runs,
        })
        .collect();
    // The first and the last segment include a session's exchange of states.
    segments[0].dispatches.start = 0;
    for index in 1..segments.len() {
        segments[index - 1].dispatches.end = segments[index].dispatches.start;
    }
    segments
}

fn whole(dispatches: usize, steps: u32) -> Segment {
    Segment { dispatches: 0..dispatches, input: 0..steps, output: 0..steps, is_first: true, is_last: true }
}

/// Returns the number of runs of chunks that are worth their submissions and copies.
fn runs(request: &Request<'_>, bytes: &PassMemory, chunks: usize) -> usize {
    if request.config.bidirectional || request.config.reverse || request.endpoints.are_buffers() {
        return 1;
    }
    // In a stack, the input and the output belong to different submissions.
    let submissions = if request.config.num_layers > 1 { 2 } else { 1 };
    let copies = if request.rows > 1 { 2 * request.rows as u64 } else { 0 };
    let cost = submissions * SUBMISSION_BYTES + copies.saturating_mul(COPY_BYTES);
    let worth = usize::try_from((bytes.input + bytes.output) / cost).unwrap_or(usize::MAX);
    worth.min(chunks).clamp(1, MOST_RUNS)
}

#[cfg(test)]
mod tests {
    use super::super::transfers::Span;
    use super::super::{BUDGET, Plan, Strategy, parts};
    use super::*;
    use crate::gpu::Capabilities;
    use crate::{Config, Precision};

    fn plan(config: &Config, rows: usize, steps: usize, strategy: Strategy, budget: u64) -> Plan {
        let capabilities = &Capabilities::default();
        let parts = &parts(config, Precision::F32, capabilities).unwrap()[..];
        let request = Request { budget, ..Request::usual(config, parts, rows, steps, capabilities) };
        Plan::new(&request, strategy).unwrap()
    }

    /// Returns a plan with two chunks.
    fn cut_plan(config: &Config, rows: usize, steps: usize, strategy: Strategy) -> Plan {
        let whole = plan(config, rows, steps, strategy, BUDGET);
        // At most two more dispatches for each layer, with 256 bytes of parameters each.
        let parameters = 2 * 256 * config.num_layers as u64;
        plan(config, rows, steps, strategy, whole.bytes.workspace() - whole.bytes.gates / 2 + parameters)
    }

    #[test]
    fn segments_hold_every_dispatch_and_step_once_and_in_time() {
        let lstm = Config::lstm(8000, 16);
        for config in [
            Config::rnn(8000, 16),
            lstm.proj_size(2),
            Config::gru(8000, 16).num_layers(2),
            lstm.num_layers(4),
        ] {
            for (rows, steps) in [(1, 400), (3, 200), (7, 101)] {
                for strategy in [Strategy::HoistedStep, Strategy::Scan] {
                    let plan = cut_plan(&config, rows, steps, strategy);
                    let what = format!("{config}, N={rows}, T={steps}, {strategy}: {:?}", plan.segments);
                    assert!(plan.segments.len() >= 2, "{what}");
                    check(&plan, config.num_layers, &what);
                }
            }
        }
    }

    fn check(plan: &Plan, layers: usize, what: &str) {
        let last = small(layers - 1);
        let (mut dispatches, mut input, mut output) = (0, 0, 0);
        for segment in &plan.segments {
            assert_eq!(segment.dispatches.start, dispatches, "{what}");
            dispatches = segment.dispatches.end;
            for (steps, done) in [(&segment.input, &mut input), (&segment.output, &mut output)] {
                assert!(steps.is_empty() || steps.start == *done, "{what}");
                *done = steps.end.max(*done);
            }
            let mut written = 0;
            for dispatch in &plan.dispatches[segment.dispatches.clone()] {
                let params = dispatch.params;
                let end = params.step + params.count;
                assert!(params.first > 0 || end <= input, "a step without its input: {what}");
                if params.first == last && plan.kernels[dispatch.kernel].entry_point != "input_product" {
                    written = end;
                }
            }
            assert_eq!(segment.output.end, written, "output that is not there, or late: {what}");
        }
        assert_eq!((dispatches, input, output), (plan.dispatches.len(), plan.steps, plan.steps), "{what}");
        let count = plan.segments.len();
        for (index, segment) in plan.segments.iter().enumerate() {
            assert_eq!((segment.is_first, segment.is_last), (index == 0, index + 1 == count), "{what}");
        }
    }

    #[test]
    fn staging_holds_every_byte_once() {
        let config = Config::lstm(8000, 16).num_layers(2);
        for (rows, steps) in [(1, 400), (3, 200), (7, 101)] {
            let plan = cut_plan(&config, rows, steps, Strategy::Scan);
            assert!(plan.segments.len() >= 4);
            let sum = |bytes: fn(&Plan, &Segment) -> u64| -> u64 {
                plan.segments.iter().map(|segment| bytes(&plan, segment)).sum()
            };
            let staged = (sum(Plan::upload_bytes), sum(Plan::download_bytes));
            assert_eq!(staged, (plan.bytes.upload, plan.bytes.download));
            let mut input: Vec<Span> = Vec::new();
            for segment in &plan.segments {
                let spans: Vec<Span> = plan.spans(plan.bytes.input, &segment.input).collect();
                let mut at = 0;
                for span in &spans {
                    assert_eq!(span.staged, at);
                    at += span.bytes;
                }
                assert_eq!(at, plan.part_of(plan.bytes.input, &segment.input));
                input.extend(spans);
            }
            input.sort_by_key(|span| span.resident);
            let mut at = 0;
            for span in &input {
                assert_eq!(span.resident, at, "N={rows}, T={steps}");
                at += span.bytes;
            }
            assert_eq!(at, plan.bytes.input);
        }
    }

    #[test]
    fn rows_are_copied_apart_unless_contiguous() {
        let plan = plan(&Config::rnn(4, 4), 2, 10, Strategy::Scan, BUDGET);
        let spans = |steps| {
            let spans = plan.spans(plan.bytes.input, &steps);
            spans.map(|span| (span.resident, span.staged, span.bytes)).collect::<Vec<_>>()
        };
        assert_eq!(spans(3..5), [(48, 0, 32), (208, 32, 32)]);
        assert_eq!(spans(0..10), [(0, 0, 320)]);
        assert_eq!(spans(0..0), []);
        assert_eq!(plan.segments, [whole(plan.dispatches.len(), 10)]);
    }

    #[test]
    fn there_are_as_many_segments_as_are_worth_it() {
        let count = |config: Config, rows, steps| {
            let of = |strategy| cut_plan(&config, rows, steps, strategy).segments.len();
            let counts = [of(Strategy::HoistedStep), of(Strategy::Scan)];
            assert_eq!(counts[0], counts[1], "{config}");
            counts[0]
        };
        // 0.8, 2.4 and 9.6 MB of input.
        assert_eq!(count(Config::gru(2000, 64), 1, 100), 1);
        assert_eq!(count(Config::gru(2000, 64), 1, 300), 2);
        // The plan has only two chunks.
        assert_eq!(count(Config::gru(8000, 64), 1, 300), 2);
        // A stack needs two submissions for each run, and each row needs a copy.
        assert_eq!(count(Config::gru(2000, 64).num_layers(2), 1, 300), 1);
        assert_eq!(count(Config::gru(8000, 64).num_layers(2), 1, 300), 4);
        assert_eq!(count(Config::gru(64, 64), 128, 100), 1);
        assert_eq!(count(Config::gru(512, 64), 128, 100), 2);
        // Both ends of the sequence are needed at once.
        assert_eq!(count(Config::gru(8000, 64).bidirectional(true), 1, 300), 1);
        assert_eq!(plan(&Config::gru(8000, 64), 1, 300, Strategy::Step, BUDGET).segments.len(), 1);
        assert_eq!(plan(&Config::gru(8000, 64), 1, 300, Strategy::Scan, BUDGET).segments.len(), 1);
    }

    #[test]
    fn many_chunks_share_a_segment() {
        let config = Config::gru(8000, 64);
        let whole = plan(&config, 1, 1000, Strategy::Scan, BUDGET);
        let tenth =
            plan(&config, 1, 1000, Strategy::Scan, whole.bytes.workspace() - whole.bytes.gates / 10 * 9);
        assert!(tenth.steps.div_ceil(tenth.bytes.chunk) > 8, "{:?}", tenth.bytes);
        assert_eq!(tenth.segments.len(), 8);
        check(&tenth, 1, "many chunks");
    }
}
