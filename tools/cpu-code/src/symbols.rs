//! Which loop of the library a function of the assembly holds.

use std::fmt;

use clap::ValueEnum;

/// An instruction set that the library's loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Set {
    Sse2,
    Avx2,
    Avx512,
    Neon,
    Simd128,
}

impl Set {
    pub(crate) const ALL: [Set; 5] = [Set::Sse2, Set::Avx2, Set::Avx512, Set::Neon, Set::Simd128];

    /// What the library and the command line call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Set::Sse2 => "sse2",
            Set::Avx2 => "avx2",
            Set::Avx512 => "avx512",
            Set::Neon => "neon",
            Set::Simd128 => "simd128",
        }
    }

    /// The type of `fearless_simd` that stands for it.
    fn token(self) -> &'static str {
        match self {
            Set::Sse2 => "Sse2",
            Set::Avx2 => "Avx2",
            Set::Avx512 => "Avx512",
            Set::Neon => "Neon",
            Set::Simd128 => "WasmSimd128",
        }
    }

    fn from_token(token: &str) -> Option<Self> {
        Set::ALL.into_iter().find(|set| set.token() == token)
    }

    /// Floats of a register.
    pub(crate) fn lanes(self) -> u32 {
        match self {
            Set::Sse2 | Set::Neon | Set::Simd128 => 4,
            Set::Avx2 => 8,
            Set::Avx512 => 16,
        }
    }

    /// Registers of one of the library's vectors.
    pub(crate) fn registers(self) -> u32 {
        PANEL / self.lanes()
    }

    /// Whether a multiply-add is one instruction. Otherwise it is a multiplication and an addition.
    pub(crate) fn is_fused(self) -> bool {
        matches!(self, Set::Avx2 | Set::Avx512 | Set::Neon)
    }

    /// The tile that takes most of the work, which must be there.
    pub(crate) fn main_tile(self) -> Tile {
        let (rows, panels) = match self {
            Set::Sse2 | Set::Simd128 => (2, 1),
            Set::Avx2 | Set::Neon => (6, 1),
            Set::Avx512 => (4, 6),
        };
        Tile { rows, panels }
    }
}

/// Lanes of the library's vectors.
const PANEL: u32 = 16;

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Rows and panels whose sums are made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tile {
    pub(crate) rows: u32,
    pub(crate) panels: u32,
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}x{}", self.rows, self.panels))
    }
}

/// What a function holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The product's loop, for one tile.
    Product(Set, Tile),
    /// The elementwise part of one cell, by its type's name.
    Elementwise(Set, String),
    /// The elementwise parts of some cells, inlined: they are compiled for what every machine has.
    Cells,
}

/// What the function with this symbol holds, if it is one of the library's loops.
pub(crate) fn part(symbol: &str) -> Option<Part> {
    let name = format!("{:#}", rustc_demangle::try_demangle(symbol).ok()?);
    // `<wgpu_rnn::cpu::product::Part>::tiles::<fearless_simd::generated::avx2::Avx2, 6, 1>`, and a closure's name within
    // which that is, without the `::` before the arguments.
    if let Some((_, tile)) = name.split_once("cpu::product::Part>::tiles") {
        let mut arguments = arguments(tile)?.split(", ");
        let set = Set::from_token(last_segment(arguments.next()?))?;
        let [rows, panels] = [arguments.next()?.parse().ok()?, arguments.next()?.parse().ok()?];
        return Some(Part::Product(set, Tile { rows, panels }));
    }
    let vectorised = name.contains("::vectorize::");
    if let Some((_, cell)) = name.split_once("cpu::cell::Elementwise") {
        let cell = cell_name(arguments(cell)?.split(", ").next()?);
        // `<fearless_simd::generated::avx2::Avx2 as ..>::vectorize::vectorize_avx2::<..>`.
        let token = name.strip_prefix('<').and_then(|name| name.split_once(" as ")).map(|(token, _)| token);
        let set = token.filter(|_| vectorised).and_then(|token| Set::from_token(last_segment(token)));
        return Some(set.map_or(Part::Cells, |set| Part::Elementwise(set, cell)));
    }
    name.contains("cpu::cell::Step>::").then_some(Part::Cells)
}

/// What stands between the angle brackets that `text` begins with.
fn arguments(text: &str) -> Option<&str> {
    let text = text.strip_prefix("::").unwrap_or(text).strip_prefix('<')?;
    let mut depth = 1;
    let end = text.find(|letter| {
        depth += i32::from(letter == '<') - i32::from(letter == '>');
        depth == 0
    })?;
    Some(&text[..end])
}

/// Returns the name of a cell from its type. `Lstm<Sigmoid>` and `Gru<Sigmoid>` are PyTorch's cells, and so is
/// `Rnn<Tanh>`, whose name is `Tanh`.
fn cell_name(path: &str) -> String {
    let Some((cell, functions)) = path.split_once('<') else { return last_segment(path).to_owned() };
    match (last_segment(cell), last_segment(functions.trim_end_matches('>'))) {
        ("Rnn", functions) => functions.to_owned(),
        (cell, "Sigmoid") => cell.to_owned(),
        (cell, functions) => format!("{cell}<{functions}>"),
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands before the closure in the symbol of a function for AVX2.
    const AVX2: &str = "_RINvNvXs2_NtNtCsjPYkjr3WqQ0_13fearless_simd9generated4avx2NtB8_4Avx2NtNtBa_10simd_trait4Simd\
                        9vectorize14vectorize_avx2";

    #[test]
    fn a_symbol_tells_set_and_tile() {
        let tile = |rows, panels| Tile { rows, panels };
        let inlined = "_RINvMs0_NtNtCs8eOBioI64Sr_8wgpu_rnn3cpu7productNtB6_4Part5tilesNtNtNtCsjPYkjr3WqQ0_13\
                       fearless_simd9generated4sse24Sse2Kj2_Kj1_EBa_";
        assert_eq!(part(inlined), Some(Part::Product(Set::Sse2, tile(2, 1))));
        let closure = format!(
            "{AVX2}NCINvMs0_NtNtCs8eOBioI64Sr_8wgpu_rnn3cpu7productNtB21_4Part5tilesBU_Kj6_Kj1_E0uEB25_"
        );
        assert_eq!(part(&closure), Some(Part::Product(Set::Avx2, tile(6, 1))));
    }

    #[test]
    fn a_symbol_tells_the_cell() {
        let closure = format!(
            "{AVX2}NCINvMs8_NtNtCs8eOBioI64Sr_8wgpu_rnn3cpu4simdNtB21_3Set3runINtNtB23_4cell11ElementwiseNtB2S_3GruKj3_\
             KB3r_EEs0_0uEB25_"
        );
        assert_eq!(part(&closure), Some(Part::Elementwise(Set::Avx2, "Gru".into())));
        assert_eq!(part("_RNvMNtNtCs8eOBioI64Sr_8wgpu_rnn3cpu4cellNtB2_4Step3run"), Some(Part::Cells));
        assert_eq!(part("_RNvMNtNtCs8eOBioI64Sr_8wgpu_rnn3cpu4passNtB2_4Pass3run"), None);
        assert_eq!(part("memcpy"), None);
    }
}
