// The models of `rounds.rs`. The library includes this text once for the right file and once for each broken one.

use std::sync::Arc;

use atomic::{AtomicUsize, Ordering};
use rounds::{Progress, Rounds};

/// The work of a test: what each part has published, and how often each item was computed.
struct Work {
    rounds: Rounds,
    /// The exchanged state: one array for even rounds and one for odd ones.
    published: [Vec<AtomicUsize>; 2],
    computed: Vec<AtomicUsize>,
    count: usize,
}

impl Work {
    fn new(parts: usize, members: usize, count: usize) -> Self {
        let zeros = |len: usize| (0..len).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>();
        Work {
            rounds: Rounds::new((0..parts).map(|_| Progress::default()).collect(), members),
            published: [zeros(parts), zeros(parts)],
            computed: zeros(parts * count),
            count,
        }
    }

    fn parts(&self) -> usize {
        self.published[0].len()
    }

    /// Reads what all parts published in the round before, and publishes the part of this round.
    fn compute(&self, part: usize, round: usize) {
        let [to, from] = [0, 1].map(|offset| &self.published[(round + offset) % 2]);
        for value in from {
            // Without the order of `complete` and `wait`, an older value could be read here.
            assert_eq!(value.load(Ordering::Relaxed), round, "part {part} of round {round}");
        }
        to[part].store(round + 1, Ordering::Relaxed);
        self.computed[part * self.count + round].fetch_add(1, Ordering::Relaxed);
    }

    fn share(&self) {
        self.rounds.share(self.count, |part, round| self.compute(part, round));
    }
}

/// Checks that each item is computed once, after all items of the round before, and that its result is seen.
pub fn every_item_once(parts: usize, threads: usize, count: usize, preemptions: usize) {
    crate::explored(preemptions, move || {
        let work = Arc::new(Work::new(parts, threads, count));
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let work = Arc::clone(&work);
                loom::thread::spawn(move || work.share())
            })
            .collect();
        work.share();
        // Who returns may read everything, whether the others are through or not.
        for value in &work.published[(count + 1) % 2] {
            assert_eq!(value.load(Ordering::Relaxed), count);
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        for (item, times) in work.computed.iter().enumerate() {
            assert_eq!(times.load(Ordering::Relaxed), 1, "item {item} of {}", work.parts());
        }
    });
}

/// Checks that a thread that panics in the middle of an item lets the others go.
pub fn a_panic_ends_the_wait() {
    crate::explored(3, || {
        let work = Arc::new(Work::new(2, 2, 2));
        let other = {
            let work = Arc::clone(&work);
            loom::thread::spawn(move || {
                let share = || work.rounds.share(2, |_, _| std::panic::resume_unwind(Box::new("stopped")));
                // The panic is the model's own, and only the guard of `share` is to see it.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(share));
            })
        };
        work.rounds.share(2, |_, _| {});
        other.join().unwrap();
    });
}
