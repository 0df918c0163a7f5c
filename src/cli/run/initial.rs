//! The output of the `init` that runs before the command. The user did not ask for it, so it is
//! shown only if it fails. Otherwise it would stand before the command's own output, which another
//! program may read as lines of JSON.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Seek as _};
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::cli::output;

const NO_COLOUR: &str = "-no-color";
/// The most of it that is shown, in bytes.
const MAX_SHOWN: u64 = 256 * 1024;

/// The output, kept in memory, so that nothing is left of it afterwards.
pub(super) struct Said(Option<File>);

impl Said {
    /// Has a command say it here, in colour only if the wrapped command speaks in colour. If
    /// that cannot be, its output goes where ours goes.
    pub(super) fn of<'a>(
        command: &mut Command,
        mut arguments: impl Iterator<Item = &'a str>,
    ) -> Self {
        if arguments
            .any(|word| word.trim_start_matches('-') == &NO_COLOUR[1..] && word.starts_with('-'))
        {
            command.arg(NO_COLOUR);
        }
        let kept = memfd_create("init", MemfdFlags::CLOEXEC).map(File::from);
        let twice = kept
            .ok()
            .and_then(|file| Some((file.try_clone().ok()?, file.try_clone().ok()?, file)));
        let Some((stdout, stderr, file)) = twice else {
            return Self(None);
        };
        command.stdout(stdout).stderr(stderr);
        if std::io::stderr().is_terminal() {
            output::progress("statekeep: init …");
        }
        Self(Some(file))
    }

    /// Shows it as it would have been shown.
    pub(super) fn show(mut self) {
        let Some(mut file) = self.0.take() else {
            return;
        };
        clear();
        let mut said = Vec::new();
        if file
            .rewind()
            .and_then(|()| file.take(MAX_SHOWN).read_to_end(&mut said))
            .is_ok()
        {
            output::said(&said);
        }
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        if self.0.is_some() {
            clear();
        }
    }
}

/// Takes away what a terminal shows meanwhile.
fn clear() {
    if std::io::stderr().is_terminal() {
        output::progress("");
    }
}
