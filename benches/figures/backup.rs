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
use std::time::Instant;

use statekeep::config::MIB;
use statekeep::store::FILE_NAME;

use crate::Res;
use crate::beside::{self, SAMPLE_EVERY};
use crate::noise::{self, Noise};
use crate::process::{Server, as_text, directory, mebibytes, memory_of, program};
use crate::report::{MEBIBYTES, MEBIBYTES_A_SECOND, Report, SECONDS, Target};
use crate::wire::Request;

/// The size of the database in GiB, unless this variable has another one.
const SIZE: &str = "FIGURES_BACKUP_GIB";
const USUAL_SIZE: u64 = 4;
/// How large each state is that fills it, in bytes.
const STATE: usize = 60_000_000;
/// How much is written to find out what the disk gives, in bytes.
const DISK_SAMPLE: usize = 1 << 30;
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
    let (meanwhile, more) = beside::work(&server, &mut report, "a backup", || command(&args))?;
    let most = Target::AtMost(MOST_MEMORY);
    report.value(
        "the server's memory, more than without a backup",
        more,
        MEBIBYTES,
        most,
    );
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
        let body = noise::state(&mut noise, number, STATE)?;
        connection.exchange(&Request::post(&path, &server.secret, body))?;
    }
    Ok(())
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
