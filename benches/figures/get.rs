//! Reads of a state by clients with a warm credential, against a bare handler that answers the same
//! bytes from memory.

use std::time::Duration;

use crate::load;
use crate::process::{Process, Server, Sync};
use crate::report::{Report, Target};
use crate::wire::{Connection, Hashing};
use crate::writer::Writer;
use crate::{Res, rivals};

const CLIENTS: usize = 16;
const PAIRS: usize = 11;
const ROUND: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_secs(1);
const SEED: u64 = 1;

pub(crate) fn run() -> Res<Report> {
    let server = Server::start(Sync::Disk, &[])?;
    let mut writer = Writer::new(&server.secret, "read", SEED)?;
    let mut connection = server.connect()?;
    connection.exchange(&writer.lock())?;
    connection.exchange(&writer.next(Hashing::Before))?;
    let rival = Process::rival(&[rivals::ANSWERS, &SEED.to_string()], Sync::Disk)?;
    let state = writer.state().to_vec();
    let request = writer.read();
    let requests = vec![vec![request.clone()]; CLIENTS];
    for process in [&server.process, &rival] {
        if Connection::open(process.address()?)?.exchange(&request)? != state {
            return Err("what was read is not what was written".into());
        }
        load::repeat(process, &requests, WARM_UP)?;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 1..=PAIRS {
        eprintln!("get: pair {pair} of {PAIRS}");
        ours.push(load::repeat(&server.process, &requests, ROUND)?);
        theirs.push(load::repeat(&rival, &requests, ROUND)?);
    }
    let mut report = Report::new(&format!("get: reads of a state of {} bytes", state.len()));
    report.measured("statekeep", CLIENTS, &ours);
    report.measured("bare handler that answers from memory", CLIENTS, &theirs);
    report.ratio(
        "reads a second, statekeep / bare handler",
        (&ours, &theirs),
        |round| round.rate,
        Target::AtLeast(0.70),
    );
    report.ratio(
        "p99, statekeep / bare handler",
        (&ours, &theirs),
        |round| round.percentile(99),
        Target::AtMost(1.5),
    );
    report.ratio(
        "processor for a read, statekeep / bare handler",
        (&ours, &theirs),
        |round| round.cpu.unwrap_or(f64::NAN),
        Target::None,
    );
    Ok(report)
}
