//! What a site meets in its third year: what each kind of request costs when there is much, and
//! how long a good client waits beside everything that others and the server itself may do.
//!
//! Directories of each size are filled once and kept. Costs are asked for in turns, of all sizes in
//! the same minute; each wait has a quiet time of the same server right before it.

mod bytes;
mod costs;
mod fill;
mod good_client;
mod others;
mod search;
mod waits;

use crate::Res;
use crate::report::Report;
use fill::Size;

/// Which sizes are compared, smallest first, unless a variable has others.
const STATES: (&str, &str) = ("FIGURES_GROW_STATES", "1000,10000,100000");
const VERSIONS: (&str, &str) = ("FIGURES_GROW_VERSIONS", "50,100000");
const EVENTS: (&str, &str) = ("FIGURES_GROW_EVENTS", "10000,1000000");

/// What requests cost.
pub(crate) fn run() -> Res<Report> {
    let mut report = Report::new("grow: what requests cost when there is much");
    for (what, sizes, kinds) in [
        ("states", states()?, costs::of_states as costs::Kinds),
        ("versions of one state", versions()?, costs::of_versions),
        ("events", events()?, costs::of_events),
    ] {
        costs::run(&mut report, what, &sizes, kinds)?;
    }
    Ok(report)
}

/// What plans and applies write, and what a crowd leaves behind.
pub(crate) fn run_bytes() -> Res<Report> {
    let mut report = Report::new("grow-bytes: what is written, and what a crowd leaves behind");
    bytes::run(&mut report)?;
    Ok(report)
}

/// How long searches take among many instances.
pub(crate) fn run_search() -> Res<Report> {
    let mut report = Report::new("grow-search: the first page of searches among many instances");
    search::run(&mut report)?;
    Ok(report)
}

/// How long a good client waits beside others, in copies of the largest directories.
pub(crate) fn run_waits() -> Res<Report> {
    let mut report = Report::new("grow-waits: how long others keep a good client waiting");
    let largest = |sizes: Vec<Size>| sizes.last().copied().ok_or("no size");
    let sizes = [
        largest(states()?)?,
        largest(versions()?)?,
        largest(events()?)?,
    ];
    waits::run(&mut report, sizes)?;
    Ok(report)
}

fn states() -> Res<Vec<Size>> {
    sizes(STATES, Size::States)
}

fn versions() -> Res<Vec<Size>> {
    sizes(VERSIONS, Size::Versions)
}

fn events() -> Res<Vec<Size>> {
    sizes(EVENTS, Size::Events)
}

fn sizes((variable, usual): (&str, &str), size: fn(usize) -> Size) -> Res<Vec<Size>> {
    let text = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let counts = text.split(',').map(|count| Ok(size(count.trim().parse()?)));
    counts.collect()
}
