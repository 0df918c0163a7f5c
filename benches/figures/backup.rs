//! Backups of a large database beside writers: how fast they are beside what the disk gives, in how
//! much memory, and how much longer writes take meanwhile. Then the same database is restored and
//! salvaged.
//!
//! The database is filled with states that hardly can be compressed, so that an archive is as large
//! as the database: the most work that a backup can have.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use statekeep::config::MIB;
use statekeep::store::FILE_NAME;

use crate::Res;
use crate::load::{self, Round};
use crate::process::{Server, as_text, directory, memory_of, program};
use crate::report::{MEBIBYTES, MEBIBYTES_A_SECOND, RATIO, Report, SECONDS, Target, median};
use crate::wire::Request;
use crate::writer::{Writer, writers};

/// The size of the database in GiB, unless this variable has another one.
const SIZE: &str = "FIGURES_BACKUP_GIB";
const USUAL_SIZE: u64 = 4;
/// How large each state is that fills it, in bytes.
const STATE: usize = 60_000_000;
/// How many clients write states of 60 kB, and how often all of them in a second.
const WRITERS: u32 = 16;
const WRITES_A_SECOND: u32 = 100;
/// How long it is measured at a time how long writes take, and how often without a backup.
const WINDOW: Duration = Duration::from_secs(5);
const QUIET_WINDOWS: usize = 6;
/// How much is written to find out what the disk gives, in bytes.
const DISK_SAMPLE: usize = 1 << 30;
const SAMPLE_EVERY: Duration = Duration::from_millis(10);
/// How fast a backup has to be where the disk is fast enough, in MiB a second.
const WANTED: f64 = 200.0;
/// How much memory a backup may take beside what the server has, and each command, in MiB.
const MOST_MEMORY: f64 = 32.0;
/// The same where versions are decoded: the largest one, its frame, and some for itself.
const MOST_DECODED: f64 = 4.0 * 60.0 + 64.0;

pub(crate) fn run() -> Res<Report> {
    let gibibytes = match std::env::var(SIZE) {
        Ok(text) => text.parse()?,
        Err(_) => USUAL_SIZE,
    };
    let place = directory()?;
    let server = Server::on(&place.path().join("data"), &[])?;
    fill(&server, gibibytes * 1024 * MIB)?;
    let size = mebibytes(&server.data.join(FILE_NAME))?;
    let mut report = Report::new(&format!(
        "backup: a database of {size:.0} MiB whose states cannot be compressed"
    ));
    let disk = disk_speed(place.path())?;
    let file = place.path().join("backup.tar.zst");
    let target = &["backup", as_text(&file)?, "--force", "--data"];
    let args = [&target[..], &[as_text(&server.data)?]].concat();
    eprintln!("backup: alone");
    let alone = command(&args)?;
    let wanted = Target::AtLeast(WANTED.min(disk));
    report.value(
        "the disk, written and synced",
        disk,
        MEBIBYTES_A_SECOND,
        Target::None,
    );
    report.value(
        "a backup alone",
        size / alone.seconds,
        MEBIBYTES_A_SECOND,
        wanted,
    );
    let meanwhile = beside_writers(&server, &mut report, || command(&args))?;
    let most = Target::AtMost(MOST_MEMORY);
    report.value(
        "the command's memory",
        meanwhile.peak.max(alone.peak),
        MEBIBYTES,
        most,
    );
    report.value("the archive", mebibytes(&file)?, MEBIBYTES, Target::None);
    let data = server.data.clone();
    server.stop()?;
    afterwards(&mut report, &data, &file)?;
    Ok(report)
}

/// Restores the backup, and salvages the database.
fn afterwards(report: &mut Report, data: &Path, file: &Path) -> Res<()> {
    let most = Target::AtMost(MOST_DECODED);
    let out = data.with_extension("out");
    let (data, file, to) = (as_text(data)?, as_text(file)?, as_text(&out)?);
    let commands: [(&str, &[&str]); 2] = [
        ("restore", &["restore", file, "--data", to]),
        ("salvage", &["salvage", data, to]),
    ];
    for (name, args) in commands {
        eprintln!("backup: {name}");
        let ran = command(args)?;
        report.value(
            &format!("{name}, all of it"),
            ran.seconds,
            SECONDS,
            Target::None,
        );
        report.value(&format!("{name}: its memory"), ran.peak, MEBIBYTES, most);
        fs::remove_dir_all(to)?;
    }
    Ok(())
}

fn mebibytes(file: &Path) -> Res<f64> {
    Ok(f64::from(u32::try_from(fs::metadata(file)?.len() / MIB)?))
}

/// Writes states of noise until the database has this size, in bytes.
fn fill(server: &Server, size: u64) -> Res<()> {
    let mut connection = server.connect()?;
    let database = server.data.join(FILE_NAME);
    let mut noise = Noise(1);
    for number in 0.. {
        let so_far = fs::metadata(&database)?.len();
        if so_far >= size {
            break;
        }
        if number % 20 == 0 {
            eprintln!("backup: the database has {} MiB", so_far / MIB);
        }
        let path = format!("/api/terraform/state/workspace/large/buildingblock/state-{number}");
        let state = json!({
            "version": 4, "terraform_version": "1.11.4", "serial": 1,
            "lineage": format!("00000000-0000-4000-8000-{number:012}"),
            "outputs": { "noise": { "value": noise.text(STATE), "type": "string" } },
            "resources": [],
        });
        let body = serde_json::to_vec(&state)?;
        connection.exchange(&Request::post(&path, &server.secret, body))?;
    }
    Ok(())
}

/// Letters and digits by chance: three quarters of their size is the least that is left of them.
struct Noise(u64);

impl Noise {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    fn text(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 10);
        while text.len() < length {
            // An xorshift: fast, and no compressor sees through it.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            for digit in 0..10 {
                let letter = usize::try_from((self.0 >> (6 * digit)) & 63).unwrap_or_default();
                text.push(char::from(
                    Self::LETTERS.get(letter).copied().unwrap_or(b'.'),
                ));
            }
        }
        text
    }
}

/// What the disk takes when a large file is written and synced, in MiB a second.
fn disk_speed(place: &Path) -> Res<f64> {
    let path = place.join("disk-sample");
    let piece = Noise(2).text(usize::try_from(MIB)?).into_bytes();
    let mut file = File::create(&path)?;
    let (began, mut written) = (Instant::now(), 0);
    while written < DISK_SAMPLE {
        file.write_all(&piece)?;
        written += piece.len();
    }
    file.sync_all()?;
    let seconds = began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(f64::from(u32::try_from(written)?) / f64::from(u32::try_from(MIB)?) / seconds)
}

/// What a command came to.
struct Ran {
    seconds: f64,
    /// The most memory that it ever had, in MiB.
    peak: f64,
}

/// Runs a command of the program that is measured.
fn command(args: &[&str]) -> Res<Ran> {
    let began = Instant::now();
    let mut child = Command::new(program())
        .args(args)
        .stdout(Stdio::null())
        .spawn()?;
    let mut peak = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // A process that has just ended tells nothing more.
        peak = memory_of(child.id()).map_or(peak, |memory| peak.max(memory.peak));
        std::thread::sleep(SAMPLE_EVERY);
    };
    if !status.success() {
        return Err(format!("`statekeep {}` left with {status}", args.join(" ")).into());
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Ran { seconds, peak })
}

/// How long writes took in each window, and the most that was resident meanwhile, in MiB.
#[derive(Default)]
struct Written {
    rounds: Vec<Round>,
    resident: f64,
}

/// Has clients write without a backup and beside one.
fn beside_writers(
    server: &Server,
    report: &mut Report,
    backup: impl FnOnce() -> Res<Ran> + Send,
) -> Res<Ran> {
    let clients = writers(server, usize::try_from(WRITERS)?)?;
    let delays = (0..WRITERS).map(|index| Duration::from_secs(1) * index / WRITES_A_SECOND);
    let clients: Vec<_> = clients.into_iter().map(Mutex::new).zip(delays).collect();
    eprintln!("backup: writers alone");
    let mut quiet = Written::default();
    // The first window is not counted.
    for _ in 0..=QUIET_WINDOWS {
        window(server, &clients, &mut quiet)?;
    }
    quiet.rounds.remove(0);
    eprintln!("backup: beside writers");
    let is_over = AtomicBool::new(false);
    let (mut beside, ran) = std::thread::scope(|scope| {
        let backup = scope.spawn(|| {
            let ran = backup();
            is_over.store(true, Ordering::SeqCst);
            ran
        });
        let mut beside = Written::default();
        while !is_over.load(Ordering::SeqCst) {
            window(server, &clients, &mut beside)?;
        }
        let ran = backup.join().map_err(|_| "the backup panicked")??;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((beside, ran))
    })?;
    // In the last window the backup has ended.
    beside.rounds.pop();
    tell(report, &quiet, &beside);
    Ok(ran)
}

fn tell(report: &mut Report, quiet: &Written, beside: &Written) {
    let clients = usize::try_from(WRITERS).unwrap_or_default();
    report.measured("writers alone", clients, &quiet.rounds);
    report.measured("writers beside a backup", clients, &beside.rounds);
    let slowest = |written: &Written| -> Vec<f64> {
        let rounds = written.rounds.iter();
        rounds.map(|round| round.percentile(99)).collect()
    };
    let usual = median(slowest(quiet)).unwrap_or(f64::NAN);
    let ratios = slowest(beside).iter().map(|one| one / usual).collect();
    let name = "p99 of writes, beside a backup / alone";
    report.figure(name, ratios, RATIO, Target::AtMost(1.5));
    let more = beside.resident - quiet.resident;
    let name = "the server's memory, more than without a backup";
    report.value(name, more, MEBIBYTES, Target::AtMost(MOST_MEMORY));
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
