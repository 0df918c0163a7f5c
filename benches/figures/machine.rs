//! What the figures were taken on, and whether it did something else meanwhile: figures of a busy
//! machine mean nothing.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use statekeep::config::{MIB, memory_of_this_machine};

use crate::Res;
use crate::process::directory;
use crate::report::median;

/// How many synced writes of a page are timed.
const SYNCS: usize = 200;
const PAGE: [u8; 4096] = [7; 4096];
/// For how long it is watched who else uses the processor.
const WATCH: Duration = Duration::from_secs(1);

/// The machine in one sentence.
pub(crate) fn describe() -> Res<String> {
    let cores = std::thread::available_parallelism()?;
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    let memory =
        memory_of_this_machine().map_or_else(|| "?".to_owned(), |bytes| (bytes / MIB).to_string());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = date.split('T').next().unwrap_or_default();
    let sync = sync_seconds()? * 1e3;
    let kernel = kernel.trim();
    Ok(format!(
        "{date}: {cores} cores of {model}, {memory} MiB of memory, Linux {kernel}; a synced write \
            of 4 KiB takes {sync:.2} ms."
    ))
}

/// How long a page takes until it is on disk, in the middle.
fn sync_seconds() -> Res<f64> {
    let dir = directory()?;
    let mut file = std::fs::File::create(dir.path().join("syncs"))?;
    let mut seconds = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(median(seconds).unwrap_or(f64::NAN))
}

/// Which part of all processors is used while we do nothing, in per cent.
pub(crate) fn busy_by_others() -> Res<f64> {
    let before = ticks()?;
    std::thread::sleep(WATCH);
    let after = ticks()?;
    let (all, idle) = (after.0 - before.0, after.1 - before.1);
    Ok(100.0 * (all - idle) / all.max(1.0))
}

/// Ticks of all processors so far, and those of them in which nothing was to be done.
fn ticks() -> Res<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "))
        .ok_or("an unknown form of /proc/stat")?;
    let fields = line
        .split_whitespace()
        .take(8)
        .map(str::parse::<f64>)
        .collect::<Result<Vec<_>, _>>()?;
    // The fourth is idle, the fifth waits for disks; neither keeps anybody else from running.
    let idle = fields.iter().skip(3).take(2).sum();
    Ok((fields.iter().sum(), idle))
}
