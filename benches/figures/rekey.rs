//! Going over to another key beside writers: how fast all content is sealed anew, and how much
//! longer writes take meanwhile.
//!
//! The versions hardly can be compressed, so what is sealed is about as large as the database. The
//! same storage key takes its own place: a new data key is made all the same, and every frame is
//! sealed by it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use statekeep::store::FILE_NAME;

use crate::Res;
use crate::beside::{self, WINDOW};
use crate::noise::{self, Noise};
use crate::process::{Server, as_text, directory, mebibytes, program};
use crate::report::{MEBIBYTES, MEBIBYTES_A_SECOND, Report, Target};
use crate::wire::Request;

/// How many versions there are, unless this variable has another number.
const VERSIONS: &str = "FIGURES_REKEY_VERSIONS";
const USUAL_VERSIONS: u64 = 2_000;
/// How many bytes of noise each has.
const NOISE: usize = 60_000;
/// How fast it has to be, in MiB a second: 20 MB.
const WANTED: f64 = 20_000_000.0 / (1024.0 * 1024.0);
/// How many windows it is measured in, so that a small database is sealed again and again.
const WINDOWS: u32 = 4;
/// How often it is asked whether all is sealed.
const ASK_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn run() -> Res<Report> {
    let versions = match std::env::var(VERSIONS) {
        Ok(text) => text.parse()?,
        Err(_) => USUAL_VERSIONS,
    };
    let place = directory()?;
    let (data, key) = (place.path().join("data"), place.path().join("storage.key"));
    let made = Command::new(program())
        .args(["key", "new-storage", as_text(&key)?])
        .stderr(Stdio::null())
        .status()?;
    if !made.success() {
        return Err(format!("`statekeep key new-storage` left with {made}").into());
    }
    let flags = ["--storage-key-file", as_text(&key)?];
    let server = Server::on(&data, &flags)?;
    fill(&server, versions)?;
    // Behind the end all of it is in the database, and nothing in its WAL.
    server.stop()?;
    let size = mebibytes(&data.join(FILE_NAME))?;
    let server = Server::on(&data, &flags)?;
    let mut report = Report::new(&format!(
        "rekey: {versions} versions that cannot be compressed, {size:.0} MiB, are sealed anew"
    ));
    eprintln!("rekey: alone");
    let alone = size / rekey(&server)?;
    report.value("alone", alone, MEBIBYTES_A_SECOND, Target::None);
    let again = || again_and_again(&server);
    let (seconds, more) = beside::work(&server, &mut report, "a rekey", again)?;
    report.value(
        "beside writers",
        size / seconds,
        MEBIBYTES_A_SECOND,
        Target::AtLeast(WANTED),
    );
    report.value(
        "the server's memory, more than without it",
        more,
        MEBIBYTES,
        Target::None,
    );
    server.stop()?;
    Ok(report)
}

/// Writes so many versions, each of a state of its own.
fn fill(server: &Server, versions: u64) -> Res<()> {
    let (mut connection, mut noise) = (server.connect()?, Noise(3));
    for number in 0..versions {
        if number % 10_000 == 0 {
            eprintln!("rekey: {number} of {versions} versions are there");
        }
        let path = format!("/api/terraform/state/workspace/many/buildingblock/state-{number}");
        let body = noise::state(&mut noise, number, NOISE)?;
        connection.exchange(&Request::post(&path, &server.secret, body))?;
    }
    Ok(())
}

/// Seals everything anew for some windows at least: how many seconds it took at a time.
fn again_and_again(server: &Server) -> Res<f64> {
    let (began, mut times) = (Instant::now(), 0.0);
    while times < 1.0 || began.elapsed() < WINDOW * WINDOWS {
        rekey(server)?;
        times += 1.0;
    }
    Ok(began.elapsed().as_secs_f64() / times)
}

/// Asks for it, and waits until all is sealed: after how many seconds that was.
fn rekey(server: &Server) -> Res<f64> {
    let mut connection = server.connect()?;
    let began = Instant::now();
    let ask = Request::post("/api/storage/rekey", &server.secret, Vec::new());
    connection.exchange(&ask)?;
    let look = Request::get("/api/storage", &server.secret);
    loop {
        let report: Value = serde_json::from_slice(connection.exchange(&look)?)?;
        let pending = report.get("pending").ok_or("no word of what is pending")?;
        if pending.is_null() {
            return Ok(began.elapsed().as_secs_f64());
        }
        std::thread::sleep(ASK_EVERY);
    }
}
