//! A long history: what it takes on the disk, how soon any version can be read, and what keeping it
//! so costs those who write.
//!
//! Old versions become differences in the background, a second after a write. What is compacted by
//! then shows in the database, which is looked into beside the server that writes it.

mod length;
mod pace;
mod posts;
mod reads;
mod size;

use crate::Res;
use crate::report::{COUNT, MILLISECONDS, RATIO, Report, SECONDS, Target};

use size::{History, source};

/// How many versions the two histories have, and at least so many times more the raw bytes have to
/// be than what is added to an empty database.
const FEW: (usize, f64) = (200, 500.0);
const MANY: (usize, f64) = (1_000, 800.0);
/// At least so many times more every version in a frame of its own has to be.
const BESIDE_WHOLE_FRAMES: f64 = 30.0;
/// How many steps away a version may be, and how many times the current version's time its read may
/// take.
const MOST_STEPS: f64 = 8.0;
const SLOWEST_READ: f64 = 4.0;

/// What versions take on the disk, and how soon they can be read.
pub(crate) fn run() -> Res<Report> {
    let mut report = Report::new(&format!("history: versions of one state of {}", source()?));
    let mut rows = Vec::new();
    let mut longest = None;
    for (versions, target) in [FEW, MANY] {
        eprintln!("history: writing {versions} versions");
        let history = History::write(versions)?;
        let name = format!("raw bytes of {versions} versions / what they add to an empty database");
        report.value(
            &name,
            history.raw / history.added,
            COUNT,
            Target::AtLeast(target),
        );
        let name = format!("{versions} versions, each in a frame of its own / what they add");
        report.value(
            &name,
            history.whole / history.added,
            COUNT,
            Target::AtLeast(BESIDE_WHOLE_FRAMES),
        );
        rows.push(history.cells());
        longest = Some(history);
    }
    let history = longest.ok_or("no history")?;
    let reads = reads::take(&history)?;
    report.value(
        "the most steps from a version to a frame that is stored in full",
        reads.most_steps,
        COUNT,
        Target::AtMost(MOST_STEPS),
    );
    report.figure(
        &reads.name(),
        reads.ratios,
        RATIO,
        Target::AtMost(SLOWEST_READ),
    );
    report.value(
        "the current version, nothing cached",
        reads.current * 1e3,
        MILLISECONDS,
        Target::None,
    );
    report.value(
        "the slowest version, nothing cached",
        reads.slowest * 1e3,
        MILLISECONDS,
        Target::None,
    );
    let head = [
        "versions",
        "raw bytes",
        "each in a frame of its own",
        "what they add",
        "compacted s after the last write",
    ];
    report.table(head, [true; 5], &rows);
    report.table(
        ["steps", "versions", "read, ms", "slowest read, ms"],
        [true; 4],
        &reads.by_steps,
    );
    Ok(report)
}

/// What compaction costs those who write meanwhile.
pub(crate) fn run_post() -> Res<Report> {
    let rounds = posts::take()?;
    let mut report = Report::new(
        "history-post: durable writes of distinct states of 60 kB under a lock \
         while versions are compacted",
    );
    report.measured("statekeep", posts::CLIENTS, &rounds.ours);
    report.measured(
        "the same server that compacts nothing",
        posts::CLIENTS,
        &rounds.rival,
    );
    let pairs = (&*rounds.ours, &*rounds.rival);
    report.ratio(
        "p99, statekeep / compacts nothing",
        pairs,
        |round| round.percentile(99),
        Target::AtMost(1.5),
    );
    report.ratio(
        "p50, statekeep / compacts nothing",
        pairs,
        |round| round.percentile(50),
        Target::None,
    );
    report.ratio(
        "writes a second, statekeep / compacts nothing",
        pairs,
        |round| round.rate,
        Target::None,
    );
    Ok(report)
}

/// Whether compaction keeps up with a hundred writes a second.
pub(crate) fn run_pace() -> Res<Report> {
    let wanted = pace::WRITES_A_SECOND;
    let mut report = Report::new(&format!(
        "history-pace: {wanted} writes a second for {} s, paced",
        pace::TIME.as_secs()
    ));
    for kind in pace::KINDS {
        let paced = pace::take(kind)?;
        report.measured(kind.name, kind.writers, &[paced.round]);
        let name = |what: &str| format!("{}: {what}", kind.name);
        report.value(
            &name("versions that are not compacted right after the last write"),
            paced.left,
            COUNT,
            Target::None,
        );
        report.value(
            &name("until all are"),
            paced.until_compacted,
            SECONDS,
            kind.target,
        );
    }
    Ok(report)
}

/// Whether a write costs more where there is much already.
pub(crate) fn run_length() -> Res<Report> {
    let mut report = Report::new(
        "history-length: a write of 60 kB where much is kept, beside one where little is",
    );
    let versions = length::by_versions()?;
    let states = length::by_states()?;
    for (name, ratios) in [(length::BY_VERSIONS, versions), (length::BY_STATES, states)] {
        report.figure(name, ratios, RATIO, Target::AtMost(1.2));
    }
    Ok(report)
}
