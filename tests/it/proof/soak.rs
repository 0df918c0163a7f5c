//! Hours of ordinary work, or minutes of them, beside pruning, backups and their drills: nothing
//! fails, every version verifies, and memory and descriptors stay as they were.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::dice::Dice;
use super::length::length;
use crate::harness::{Client, Server, Setup, eventually, lineage, state_path, tfstate_noted};

const WORKERS: u64 = 8;
const STATES: u64 = 20;
const PRUNE_EVERY: Duration = Duration::from_secs(20);
/// How often memory and descriptors are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many backups there are in the time, so that each third has some.
const BACKUPS: u64 = 9;

/// Memory in KiB and open descriptors of a process.
#[derive(Clone, Copy, Debug)]
struct Usage {
    memory: u64,
    descriptors: u64,
}

fn usage(pid: u32) -> Usage {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("it runs")
        .count();
    Usage {
        memory: memory.expect("a size"),
        descriptors: descriptors as u64,
    }
}

/// How many descriptors of a process are of files in a directory, removed ones too.
fn held_below(pid: u32, dir: &Path) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(dir)).count()
}

fn highest(part: &[Usage], of: fn(&Usage) -> u64) -> u64 {
    part.iter().map(of).max().unwrap_or(0)
}

/// Whether the last third takes no more than the third before it: a quarter and 16 MiB of memory
/// are for what comes and goes, and 16 descriptors, since a backup under way has some.
fn is_flat(all: &[Usage]) -> Result<(), String> {
    let third = all.len() / 3;
    let (before, last) = (&all[third..2 * third], &all[2 * third..]);
    let memory = (
        highest(before, |it| it.memory),
        highest(last, |it| it.memory),
    );
    let descriptors = (
        highest(before, |it| it.descriptors),
        highest(last, |it| it.descriptors),
    );
    eprintln!("soak: memory {memory:?} KiB, descriptors {descriptors:?}");
    if memory.1 > memory.0 * 5 / 4 + 16 * 1024 {
        return Err(format!("memory grows, in KiB: {memory:?}"));
    }
    if descriptors.1 > descriptors.0 + 16 {
        return Err(format!("descriptors grow: {descriptors:?}"));
    }
    Ok(())
}

/// Acts at a pace: writes, reads, locks and looks at histories. Every answer has to be 200.
fn work(index: u64, caller: &Client, pace: Duration, stop: &AtomicBool, done: &AtomicU64) {
    let mut dice = Dice::new(index);
    let mut serials = vec![0; usize::try_from(STATES).expect("a number")];
    let mut next = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        let state = dice.index(serials.len());
        let name = format!("team/w{index}-{state}");
        match dice.below(20) {
            0 | 1 if serials[state] > 0 => {
                caller.lock(&name, "lock-1").expect_status(200);
                caller.unlock(&name, "lock-1").expect_status(200);
            }
            2 if serials[state] > 0 => {
                caller
                    .get(&format!("{}/versions", state_path(&name)))
                    .expect_status(200);
            }
            3..=9 if serials[state] > 0 => drop(caller.read(&name).expect_status(200)),
            _ => {
                serials[state] += 1;
                let note = format!("{name} {}", "x".repeat(dice.index(4_000)));
                let body = tfstate_noted(&lineage(state as u64), serials[state], &note);
                caller.write(&name, body, None).expect_status(200);
            }
        }
        done.fetch_add(1, Ordering::SeqCst);
        next += pace;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn soak(time: Duration, rate: u64) {
    let backups = TempDir::new().expect("a directory");
    let every = (time.as_secs() / BACKUPS).max(2);
    let server = Setup::new()
        .flag("--backup-dir", backups.path().to_str().expect("UTF-8"))
        .flag("--backup-every", &format!("{every}s"))
        .flag("--backup-keep", "3")
        .start();
    let caller = server.key("team", "owner");
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let pace = Duration::from_secs(WORKERS) / u32::try_from(rate).expect("a rate");
    let begun = Instant::now();
    let samples = std::thread::scope(|scope| {
        for index in 0..WORKERS {
            let (caller, stop, done) = (caller.clone(), &stop, &done);
            scope.spawn(move || work(index, &caller, pace, stop, done));
        }
        let watched = watch(&server, time);
        stop.store(true, Ordering::SeqCst);
        watched
    });
    let acts = done.load(Ordering::SeqCst);
    let each_second = acts / begun.elapsed().as_secs().max(1);
    eprintln!("soak: {acts} acts, {each_second} a second of {rate}");
    is_flat(&samples).unwrap_or_else(|why| panic!("{why}"));
    check_backups(&server, backups.path());
    let verified = server.cli(&["verify"]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
}

/// That backups were made and tried, that none failed, and that nothing of them stays open.
fn check_backups(server: &Server, folder: &Path) {
    let admin = server.admin();
    let status = || admin.get("/api/status").expect_status(200).json();
    eventually("the newest backup was tried", || {
        status()["backup"]["drill"]["versions"].as_u64() > Some(0)
    });
    let made = admin.events("kind=backup.make").len();
    eprintln!("soak: {made} backups");
    let failed = admin.events("kind=backup.fail");
    assert_eq!(failed, Vec::<Value>::new(), "failed backups or drills");
    eventually("no file of a backup is open", || {
        held_below(server.pid(), folder) == 0
    });
}

/// Looks at the server, and prunes now and then.
fn watch(server: &Server, time: Duration) -> Vec<Usage> {
    let (admin, begun, mut pruned) = (server.admin(), Instant::now(), Instant::now());
    let mut samples = Vec::new();
    while begun.elapsed() < time {
        std::thread::sleep(LOOK_EVERY);
        samples.push(usage(server.pid()));
        if pruned.elapsed() >= PRUNE_EVERY {
            pruned = Instant::now();
            let body = json!({"policy": {"keep_last": 20}, "workspace": "team"});
            admin.post_json("/api/prune", &body).expect_status(200);
        }
    }
    samples
}

#[test]
fn some_seconds_of_work_cost_no_memory_and_no_descriptors() {
    soak(Duration::from_secs(length("SOAK_SECONDS_SHORT", 4)), 100);
}

#[test]
#[ignore = "middle tier: two minutes at 500 acts a second, with backups and drills"]
fn minutes_of_work_cost_no_memory_and_no_descriptors() {
    soak(
        Duration::from_secs(length("SOAK_SECONDS", 120)),
        length("SOAK_RATE", 500),
    );
}

#[test]
fn what_grows_is_not_flat() {
    let sample = |memory, descriptors| Usage {
        memory,
        descriptors,
    };
    let flat: Vec<_> = (0..90)
        .map(|at| sample(80_000 + at % 7 * 1_000, 30 + at % 3))
        .collect();
    assert_eq!(is_flat(&flat), Ok(()));
    let leaks: Vec<_> = (0..90).map(|at| sample(80_000 + at * 4_000, 30)).collect();
    assert!(is_flat(&leaks).is_err(), "memory");
    let open: Vec<_> = (0..90).map(|at| sample(80_000, 30 + at)).collect();
    assert!(is_flat(&open).is_err(), "descriptors");
    let (dir, own) = (TempDir::new().expect("a directory"), std::process::id());
    let file = std::fs::File::create(dir.path().join("backup")).expect("a file");
    std::fs::remove_file(dir.path().join("backup")).expect("a file");
    assert_eq!(
        held_below(own, dir.path()),
        1,
        "a removed file that is open"
    );
    drop(file);
    assert_eq!(held_below(own, dir.path()), 0);
}
