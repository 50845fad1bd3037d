//! The functions of an assembly file.

use crate::instruction::{Instruction, Line};
use crate::{aarch64, wasm, x86};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    X86,
    Aarch64,
    Wasm,
}

impl Architecture {
    /// By what only its assembly has.
    pub(crate) fn of(assembly: &str) -> Self {
        let mut lines = assembly.lines().map(str::trim_start);
        let found = lines.find_map(|line| match line {
            _ if line.starts_with(".functype") => Some(Architecture::Wasm),
            _ if !line.starts_with('.') && line.contains("%r") => Some(Architecture::X86),
            _ => None,
        });
        found.unwrap_or(Architecture::Aarch64)
    }

    fn instruction(self, text: &str) -> Instruction<'_> {
        match self {
            Architecture::X86 => x86::instruction(text),
            Architecture::Aarch64 => aarch64::instruction(text),
            Architecture::Wasm => wasm::instruction(text),
        }
    }

    /// `//` on Linux and `;` on Apple's systems, or `#`, which 64-bit Arm has before numbers.
    fn without_comment(self, line: &str) -> &str {
        let end = match self {
            Architecture::X86 | Architecture::Wasm => line.find('#'),
            Architecture::Aarch64 => line.find("//").or(line.find(';')),
        };
        line[..end.unwrap_or(line.len())].trim()
    }
}

/// A label that other files may see, and what follows it.
pub(crate) struct Function<'a> {
    pub(crate) symbol: &'a str,
    lines: Vec<&'a str>,
    architecture: Architecture,
}

impl<'a> Function<'a> {
    /// Its labels and instructions.
    pub(crate) fn code(&self) -> Vec<Line<'a>> {
        let lines = self.lines.iter().map(|line| self.architecture.without_comment(line));
        lines
            .filter_map(|line| match line.strip_suffix(':') {
                Some(label) => Some(Line::Label(label)),
                // Directives have a point.
                None => (!line.is_empty() && !line.starts_with('.'))
                    .then(|| Line::Instruction(self.architecture.instruction(line))),
            })
            .collect()
    }
}

pub(crate) fn functions(assembly: &str) -> Vec<Function<'_>> {
    let architecture = Architecture::of(assembly);
    let mut functions: Vec<Function<'_>> = Vec::new();
    for line in assembly.lines() {
        match symbol(line) {
            Some(symbol) => functions.push(Function { symbol, lines: Vec::new(), architecture }),
            None => functions.iter_mut().rev().take(1).for_each(|function| function.lines.push(line)),
        }
    }
    functions
}

/// The name before a colon, other than a function's own labels: `.LBB0_1`, and `LBB0_1` on Apple's systems.
fn symbol(line: &str) -> Option<&str> {
    let name = line.split_once(':')?.0;
    let is_own =
        name.starts_with(['.', 'L', 'l']) || name.starts_with(|letter: char| letter.is_ascii_digit());
    (!is_own && !name.contains(char::is_whitespace) && !name.contains(['#', '"', '/'])).then_some(name)
}
