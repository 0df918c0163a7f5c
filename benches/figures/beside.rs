//! Clients that write at a pace, alone and beside some work of the server: how much longer their
//! writes take, and how much more memory the server has meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Res;
use crate::load::{self, Round};
use crate::process::{Server, memory_of};
use crate::report::{RATIO, Report, Target, median};
use crate::writer::{Writer, writers};

/// How many clients write states of 60 kB, and how often all of them in a second.
const WRITERS: u32 = 16;
const WRITES_A_SECOND: u32 = 100;
/// How long it is measured at a time how long writes take, and how often without the work.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);
const QUIET_WINDOWS: usize = 6;
/// How often a process is asked for its memory.
pub(crate) const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// How long writes took in each window, and the most that was resident meanwhile, in MiB.
#[derive(Default)]
struct Written {
    rounds: Vec<Round>,
    resident: f64,
}

/// Has clients write alone, and beside some work. Gives what that came to, and how much more of the
/// server was resident meanwhile, in MiB.
pub(crate) fn work<T: Send>(
    server: &Server,
    report: &mut Report,
    what: &str,
    work: impl FnOnce() -> Res<T> + Send,
) -> Res<(T, f64)> {
    let clients = writers(server, usize::try_from(WRITERS)?)?;
    let delays = (0..WRITERS).map(|index| Duration::from_secs(1) * index / WRITES_A_SECOND);
    let clients: Vec<_> = clients.into_iter().map(Mutex::new).zip(delays).collect();
    eprintln!("{what}: writers alone");
    let mut quiet = Written::default();
    // The first window is not counted.
    for _ in 0..=QUIET_WINDOWS {
        window(server, &clients, &mut quiet)?;
    }
    quiet.rounds.remove(0);
    eprintln!("{what}: beside writers");
    let is_over = AtomicBool::new(false);
    let (mut beside, ran) = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let ran = work();
            is_over.store(true, Ordering::SeqCst);
            ran
        });
        let mut beside = Written::default();
        while !is_over.load(Ordering::SeqCst) {
            window(server, &clients, &mut beside)?;
        }
        let ran = working.join().map_err(|_| "the work panicked")??;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((beside, ran))
    })?;
    // In the last window the work has ended.
    beside.rounds.pop();
    tell(report, what, (&quiet, &beside));
    Ok((ran, beside.resident - quiet.resident))
}

fn tell(report: &mut Report, what: &str, (quiet, beside): (&Written, &Written)) {
    let clients = usize::try_from(WRITERS).unwrap_or_default();
    report.measured("writers alone", clients, &quiet.rounds);
    report.measured(&format!("writers beside {what}"), clients, &beside.rounds);
    let slowest = |written: &Written| -> Vec<f64> {
        let rounds = written.rounds.iter();
        rounds.map(|round| round.percentile(99)).collect()
    };
    let usual = median(slowest(quiet)).unwrap_or(f64::NAN);
    let ratios = slowest(beside).iter().map(|one| one / usual).collect();
    let name = format!("p99 of writes, beside {what} / alone");
    report.figure(&name, ratios, RATIO, Target::AtMost(1.5));
}

/// Writes for a while.
fn window(
    server: &Server,
    clients: &[(Mutex<Writer>, Duration)],
    written: &mut Written,
) -> Res<()> {
    let every = Duration::from_secs(1) * WRITERS / WRITES_A_SECOND;
    let (id, is_over) = (server.process.id(), AtomicBool::new(false));
    let (round, resident) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut most = 0.0_f64;
            while !is_over.load(Ordering::Relaxed) {
                most = memory_of(id).map_or(most, |memory| most.max(memory.now));
                std::thread::sleep(SAMPLE_EVERY);
            }
            most
        });
        let round = load::write_at_a_pace(&server.process, clients, every, WINDOW);
        is_over.store(true, Ordering::Relaxed);
        let most = sampler.join().map_err(|_| "the sampler panicked")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((round?, most))
    })?;
    written.rounds.push(round);
    written.resident = written.resident.max(resident);
    Ok(())
}
