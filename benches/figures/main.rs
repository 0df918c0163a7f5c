//! Figures: how fast statekeep is beside rivals that do less, printed as Markdown.
//!
//! `cargo bench --bench figures` takes them all, `cargo bench --bench figures -- get post` only
//! some. The server and each rival are processes of their own; a rival is this program once more.
//! Rounds alternate between them, and a ratio is the median over its rounds, so that a machine that
//! slows down does so for both. A figure that misses its target is marked, and the exit code is 1.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tables and progress are what this program is for"
)]
#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]

mod backup;
mod beside;
mod chain;
mod credential;
mod get;
mod greedy;
mod grow;
mod history;
mod inside;
mod load;
mod look;
mod machine;
mod noise;
mod parts;
mod pieces;
mod post;
mod process;
mod rekey;
mod report;
mod rivals;
mod sealing;
mod start;
mod states;
mod tls;
mod wire;
mod writer;

use std::process::ExitCode;

/// The server's allocator, so that parts cost here what they cost there, and no rival is slower for
/// having another one.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Whatever goes wrong ends the run: a figure of a server that failed means nothing.
type Res<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Takes one figure.
type Figure = fn() -> Res<report::Report>;

/// What can be asked for by name.
const FIGURES: [(&str, Figure); 19] = [
    ("get", get::run),
    ("tls", tls::run),
    ("post", post::run),
    ("post-slow-sync", post::run_slow_sync),
    ("credential", credential::run),
    ("start", start::run),
    ("greedy", greedy::run),
    ("history", history::run),
    ("history-post", history::run_post),
    ("history-pace", history::run_pace),
    ("history-length", history::run_length),
    ("backup", backup::run),
    ("sealing", sealing::run),
    ("rekey", rekey::run),
    ("parts", parts::run),
    ("grow", grow::run),
    ("grow-bytes", grow::run_bytes),
    ("grow-search", grow::run_search),
    ("grow-waits", grow::run_waits),
];

/// Figures of this name and its kin are taken only if they are asked for: they fill directories for
/// many minutes.
const BY_NAME_ALONE: &str = "grow";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let outcome = match args.split_first() {
        Some((first, rest)) if first == process::RIVAL => rivals::run(rest).map(|()| true),
        _ => figures(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes the figures that were asked for; true when all have reached their targets.
fn figures(wanted: &[String]) -> Res<bool> {
    if let Some(unknown) = wanted
        .iter()
        .find(|name| FIGURES.iter().all(|(known, _)| known != name))
    {
        let known = FIGURES.map(|(name, _)| name).join(", ");
        return Err(format!("there is no figure {unknown}; there are {known}").into());
    }
    println!("{}\n", machine::describe()?);
    let mut all_reached = true;
    for (name, run) in FIGURES {
        let is_usual = wanted.is_empty() && !name.starts_with(BY_NAME_ALONE);
        if is_usual || wanted.iter().any(|one| one == name) {
            let before = machine::busy_by_others()?;
            let report = run().map_err(|error| format!("{name}: {error}"))?;
            let after = machine::busy_by_others()?;
            println!(
                "{report}\nOthers used {before:.0} % of the processors right before this, and \
                    {after:.0} % right after.\n"
            );
            all_reached &= report.is_reached();
        }
    }
    Ok(all_reached)
}
