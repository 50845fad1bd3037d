//! The innermost loops of AMD's assembly.

/// What one turn of an innermost loop does, for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct InnerLoop {
    /// Fused multiply-adds.
    pub(crate) fma: u32,
    /// Products alone: the first of a sum that starts at zero.
    pub(crate) products: u32,
    /// Vector operations, those among them.
    pub(crate) vector: u32,
    /// Bytes loaded from memory and from workgroup memory.
    pub(crate) global_bytes: u32,
    pub(crate) workgroup_bytes: u32,
    /// Exponentials and the like.
    pub(crate) transcendental: bool,
    /// Loads from memory before the first wait for one of them.
    pub(crate) in_flight: u32,
    /// Loads from memory, and barriers.
    pub(crate) loads: u32,
    pub(crate) barriers: u32,
    /// Waits for memory of any kind.
    pub(crate) waits: u32,
    /// Whether a wait for a load came already.
    pub(crate) waited: bool,
}

impl InnerLoop {
    pub(crate) fn fma_share(&self) -> f64 {
        f64::from(self.fma) / f64::from(self.vector)
    }

    pub(crate) fn bytes_per_fma(&self) -> f64 {
        f64::from(self.global_bytes + self.workgroup_bytes) / f64::from(self.fma)
    }

    fn count(&mut self, line: &str) {
        let op = line.split_whitespace().next().unwrap_or_default();
        if op.starts_with("v_dual") {
            // "v_dual_fmac_f32 ... :: v_dual_mul_f32 ...": two operations.
            self.vector += 2;
            self.fma += matches(line, "v_dual_fma");
            self.products += matches(line, "v_dual_mul_f32");
        } else if op.starts_with("v_") {
            let each = if op.starts_with("v_pk_") { 2 } else { 1 };
            self.vector += each;
            if ["fma", "mac_f", "mad_f"].iter().any(|name| op.contains(name)) {
                self.fma += each;
            } else if op.contains("mul_f32") {
                self.products += each;
            }
            self.transcendental |= op.starts_with("v_exp") || op.starts_with("v_rcp");
        } else if ["buffer_load", "global_load", "flat_load"].iter().any(|name| op.starts_with(name)) {
            self.global_bytes += width(op);
            self.loads += 1;
            self.in_flight += u32::from(!self.waited);
        } else if op.starts_with("ds_read") || op.starts_with("ds_load") {
            self.workgroup_bytes += width(op);
        } else if op == "s_barrier" {
            self.barriers += 1;
        } else if op.starts_with("s_waitcnt") {
            self.waits += 1;
            // A wait ahead of all loads is for those of the turn before.
            self.waited |= self.in_flight > 0 && line.contains("vmcnt");
        }
    }
}

fn matches(line: &str, word: &str) -> u32 {
    u32::try_from(line.matches(word).count()).unwrap_or(u32::MAX)
}

/// Bytes that a lane loads with one instruction.
fn width(op: &str) -> u32 {
    const NAMES: [(&str, u32); 7] =
        [("b128", 16), ("dwordx4", 16), ("b96", 12), ("dwordx3", 12), ("b64", 8), ("dwordx2", 8), ("16", 2)];
    let bytes = NAMES.iter().find(|(name, _)| op.contains(name)).map_or(4, |(_, bytes)| *bytes);
    // ds_read2_b32 and, on RDNA 3, ds_load_2addr_b32.
    if op.contains("2addr") || op.contains("read2") { 2 * bytes } else { bytes }
}

/// Multiply-adds of one quad of a vector with the weights of three gates, the fewest that a product has in a turn.
const FEWEST: u32 = 12;

/// The loops that add up the products of vectors and weights: innermost ones with that many multiply-adds. The loops over
/// rows behind them have an activation.
pub(crate) fn products(assembly: &str) -> Vec<InnerLoop> {
    inner_loops(assembly)
        .into_iter()
        .filter(|each| each.fma + each.products >= FEWEST && !each.transcendental)
        .collect()
}

/// The loops over rows behind the products: innermost ones with an activation.
pub(crate) fn finishes(assembly: &str) -> Vec<InnerLoop> {
    inner_loops(assembly).into_iter().filter(|each| each.transcendental).collect()
}

/// The loops with barriers, over the blocks of a tile or over steps, each with one turn of the loops in it. A workgroup
/// of a single wave needs no barriers: then these are the loops around others.
pub(crate) fn with_barriers(assembly: &str) -> Vec<InnerLoop> {
    let lines = lines(assembly);
    let spans = spans(&lines);
    let is_around =
        |&(start, end): &(usize, usize)| spans.iter().any(|inner| inner.0 > start && inner.1 < end);
    let has_barrier = |&(start, end): &(usize, usize)| lines[start..=end].contains(&"s_barrier");
    let needs_none = !lines.contains(&"s_barrier");
    let found: Vec<_> =
        spans.iter().filter(|span| has_barrier(span) || (needs_none && is_around(span))).collect();
    // A loop around one of these loops is left out. A step has one, over its two products.
    let is_innermost =
        |outer: &&&(usize, usize)| !found.iter().any(|inner| inner.0 > outer.0 && inner.1 < outer.1);
    found.iter().filter(is_innermost).map(|&&(start, end)| counted(&lines[start..=end])).collect()
}

fn lines(assembly: &str) -> Vec<&str> {
    let lines = assembly.lines().map(|line| line.split(';').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).collect()
}

fn counted(lines: &[&str]) -> InnerLoop {
    let mut found = InnerLoop::default();
    lines.iter().for_each(|line| found.count(line));
    found
}

/// The first and the last line of each loop: what lies between a label and a branch back to it.
fn spans(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    for (end, line) in lines.iter().enumerate() {
        let mut words = line.split_whitespace();
        let (Some(op), Some(target)) = (words.next(), words.next()) else { continue };
        if op.starts_with("s_cbranch") || op == "s_branch" {
            let start = lines[..end].iter().position(|line| line.strip_suffix(':') == Some(target));
            spans.extend(start.map(|start| (start, end)));
        }
    }
    spans
}

fn inner_loops(assembly: &str) -> Vec<InnerLoop> {
    let lines = lines(assembly);
    let spans = spans(&lines);
    let holds_none = |outer: &(usize, usize)| {
        !spans.iter().any(|inner| inner != outer && inner.0 >= outer.0 && inner.1 <= outer.1)
    };
    let inner = spans.iter().filter(|span| holds_none(span));
    inner.map(|&(start, end)| counted(&lines[start..=end])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: &str = "
BB1:
    v_mov_b32 v0, 0                                 ; 7e000280
BB2:
    buffer_load_dwordx4 v[4:7], v1, s[0:3], 0 offen ; e05c1000
    ds_load_2addr_b32 v[8:9], v2 offset1:1          ; d8dc0100
    s_waitcnt vmcnt(0) lgkmcnt(1)                   ; bf890010
    ds_read_b128 v[8:11], v2                        ; d9fe0000
    s_waitcnt lgkmcnt(0)                            ; bf89fc07
";
    const QUAD: &str = "
    v_mul_f32 v0, v4, v8                            ; 100a1104
    v_fmac_f32 v0, v4, v8                           ; 560a1104
    v_dual_fmac_f32 v0, v4, v8 :: v_dual_mul_f32 v1, v5, v9 ; c8061104
";
    const REST: &str = "
    s_cbranch_scc1 BB2                              ; bfa2ffff
    s_cbranch_scc1 BB1                              ; bfa2ffff
BB3:
    buffer_load_dwordx4 v[4:7], v1, s[0:3], 0 offen ; e05c1000
    v_fma_f32 v0, v1, v2, v3                        ; d6130000
    v_exp_f32 v0, v1                                ; 7e004b01
    s_branch BB3                                    ; bfa0ffff
";

    #[test]
    fn only_the_innermost_loop_of_a_product_counts() {
        let expected = InnerLoop {
            fma: 6,
            products: 6,
            vector: 12,
            global_bytes: 16,
            workgroup_bytes: 24,
            transcendental: false,
            in_flight: 1,
            loads: 1,
            waits: 2,
            waited: true,
            barriers: 0,
        };
        assert_eq!(products(&[LOAD, QUAD, QUAD, QUAD, REST].concat()), [expected]);
        assert_eq!(products(&[LOAD, QUAD, QUAD, REST].concat()), []);
        assert_eq!(products(&[LOAD, QUAD, QUAD, QUAD, "v_rcp_f32 v0, v0\n", REST].concat()), []);
    }

    #[test]
    fn loads_behind_the_first_wait_are_not_in_flight() {
        let text = |between: &str| {
            [LOAD, between, LOAD.split("BB2:").nth(1).unwrap_or_default(), QUAD, QUAD, QUAD, REST].concat()
        };
        let found = |between: &str| {
            products(&text(between)).iter().map(|each| (each.in_flight, each.waits)).collect::<Vec<_>>()
        };
        assert_eq!(found(""), [(1, 4)]);
        assert_eq!(finishes(&text("")).len(), 1, "the loop with an exponential");
    }

    #[test]
    fn a_loop_with_barriers_has_what_the_loops_in_it_have() {
        let text = [LOAD, QUAD, "s_barrier ; bfbd0000\n", REST].concat();
        let found: Vec<_> = with_barriers(&text).iter().map(|each| (each.loads, each.barriers)).collect();
        assert_eq!(found, [(1, 1)], "the loop with the barrier, without the one around it");
        let found: Vec<_> =
            with_barriers(&[LOAD, QUAD, REST].concat()).iter().map(|each| each.barriers).collect();
        assert_eq!(found, [0], "the loop around another");
        assert_eq!(with_barriers("s_barrier ; bfbd0000\n".repeat(2).as_str()), []);
    }

    #[test]
    fn straight_code_has_no_loops() {
        assert_eq!(products("BB0:\n    v_fma_f32 v0, v1, v2, v3\n    s_endpgm\n"), []);
    }
}
