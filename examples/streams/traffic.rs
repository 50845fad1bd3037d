//! Who sends what and when, the same in every run.

use wgpu_rnn::ndarray::{Array2, Array3, ArrayView2, Axis, concatenate, s};

/// Steps of a packet at most.
const PACKET: usize = 3;

/// A stream, as far as it has come.
pub(crate) struct Stream {
    /// `[T, I]`.
    pub(crate) input: Array2<f32>,
    /// `[T, H]`.
    pub(crate) output: Array2<f32>,
    left: usize,
}

/// What arrives at one tick.
pub(crate) struct Tick {
    /// Rows where another stream begins.
    pub(crate) begun: Vec<usize>,
    /// Rows that have a packet.
    pub(crate) rows: Vec<usize>,
    /// Steps of each packet.
    pub(crate) lengths: Vec<usize>,
    /// `[M, T, I]`.
    pub(crate) input: Array3<f32>,
}

/// All streams.
pub(crate) struct Traffic {
    live: Vec<Option<Stream>>,
    waiting: usize,
    ended: Vec<Stream>,
    steps: usize,
    input_size: usize,
    dice: u64,
}

impl Traffic {
    /// So many streams, on so many rows, of so many steps on average.
    pub(crate) fn new(rows: usize, streams: usize, steps: usize, input_size: usize) -> Self {
        let live = (0..rows).map(|_| None).collect();
        Traffic { live, waiting: streams, ended: Vec::new(), steps, input_size, dice: 1 }
    }

    /// The next tick at which something arrives; none once all streams have ended.
    pub(crate) fn tick(&mut self) -> Option<Tick> {
        loop {
            if self.waiting == 0 && self.live.iter().all(Option::is_none) {
                return None;
            }
            let begun = self.begin();
            let (mut rows, mut lengths) = (Vec::new(), Vec::new());
            for row in 0..self.live.len() {
                // Two ticks of three have a packet.
                if self.live[row].is_some() && self.below(3) > 0 {
                    let left = self.live[row].as_ref().map_or(0, |stream| stream.left);
                    rows.push(row);
                    lengths.push(left.min(1 + self.below(PACKET)));
                }
            }
            if !rows.is_empty() || !begun.is_empty() {
                let shape = (rows.len(), PACKET, self.input_size);
                let input = Array3::from_shape_simple_fn(shape, || self.value());
                return Some(Tick { begun, rows, lengths, input });
            }
        }
    }

    /// Gives free rows to streams that wait: not all at once.
    fn begin(&mut self) -> Vec<usize> {
        let mut begun = Vec::new();
        for row in 0..self.live.len() {
            if self.waiting > 0 && self.live[row].is_none() && self.below(4) == 0 {
                let left = self.steps / 2 + self.below(self.steps.max(1)) + 1;
                let input = Array2::zeros((0, self.input_size));
                self.live[row] = Some(Stream { input, output: Array2::zeros((0, 0)), left });
                self.waiting -= 1;
                begun.push(row);
            }
        }
        begun
    }

    /// Takes the answers to a tick down.
    pub(crate) fn answer(&mut self, tick: &Tick, output: &Array3<f32>) {
        for (slot, (&row, &steps)) in tick.rows.iter().zip(&tick.lengths).enumerate() {
            let Some(mut stream) = self.live[row].take() else { continue };
            extend(&mut stream.input, &tick.input.slice(s![slot, ..steps, ..]));
            extend(&mut stream.output, &output.slice(s![slot, ..steps, ..]));
            stream.left -= steps;
            if stream.left > 0 {
                self.live[row] = Some(stream);
            } else {
                self.ended.push(stream);
            }
        }
    }

    /// The streams that have ended.
    pub(crate) fn ended(&self) -> &[Stream] {
        &self.ended
    }

    /// A number below `end` (splitmix64).
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    /// In [-1, 1).
    fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn next(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.dice;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

fn extend(sequence: &mut Array2<f32>, steps: &ArrayView2<'_, f32>) {
    let before = std::mem::take(sequence);
    *sequence = match before.is_empty() {
        true => steps.to_owned(),
        // Both have as many columns.
        false => concatenate(Axis(0), &[before.view(), steps.view()]).unwrap_or(before),
    };
}
