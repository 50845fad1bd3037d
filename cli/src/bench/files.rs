//! The files of `--json` and `--plot`. They appear when both are complete.

use std::path::Path;

use super::machine::Machine;
use super::{Results, Subject, json, plot};
use crate::args::BenchArguments;
use crate::draft::Draft;
use crate::failure::Result;

#[derive(Debug)]
pub(super) struct Files {
    json: Option<Draft>,
    plot: Option<Draft>,
}

impl Files {
    pub(super) fn new(arguments: &BenchArguments) -> Result<Self> {
        let draft = |path: &Option<std::path::PathBuf>| path.as_deref().map(Draft::new);
        let files = Files { json: draft(&arguments.json), plot: draft(&arguments.plot) };
        let source = &arguments.source;
        let inputs = [&source.weights, &source.model, &source.keras];
        let inputs: Vec<&Path> = inputs.into_iter().flatten().map(|path| path.as_path()).collect();
        [&files.json, &files.plot].into_iter().flatten().try_for_each(|draft| draft.check_is_not(&inputs))?;
        match (&files.json, &files.plot) {
            (Some(json), Some(plot)) if json.is_same_file(plot) => {
                Err(plot.failure("expected one file for --json and another for --plot"))
            }
            _ => Ok(files),
        }
    }

    /// Checks that the files can be written.
    pub(super) fn open(&mut self) -> Result<()> {
        [&mut self.json, &mut self.plot].into_iter().flatten().try_for_each(Draft::open)
    }

    pub(super) fn commit(
        mut self,
        results: &Results<'_>,
        subjects: &[Subject],
        machine: &Machine,
        arguments: &BenchArguments,
    ) -> Result<()> {
        if let Some(draft) = &mut self.json {
            draft.fill(json::text(results, subjects, machine, arguments)?.as_bytes())?;
        }
        if let Some(draft) = &mut self.plot {
            draft.fill(plot::svg(&results.rows, subjects, machine)?.as_bytes())?;
        }
        [self.json, self.plot].into_iter().flatten().try_for_each(Draft::persist)
    }
}
