//! Logs: text where a person looks, JSON lines where a machine does, always on stderr.
//!
//! A line about a request waits at most 5 ms for others, and they go out together. One call to the
//! system for each would cost a busy server a tenth of its time. Every other line goes out at once,
//! after the lines that were gathered before it. If the process is killed, the last few lines about
//! requests are lost. The event log has every read and change.
//!
//! Only one thread writes. If stderr is a pipe without a reader, lines are dropped and counted, and
//! no request waits for them.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::model::printable::printable_log_line;

/// The target of lines about requests that were answered.
pub const REQUESTS: &str = "statekeep::http::trace";

/// For how long lines about requests are gathered.
const GATHER_FOR: Duration = Duration::from_millis(5);
/// Once so many bytes are gathered they are written, in pieces of about that size.
const MAX_GATHERED: usize = 256 * 1024;
/// The most bytes that wait to be written. A thread that adds more waits a moment, so that lines do
/// not come faster than they are read.
const MAX_WAITING: usize = 1024 * 1024;
/// The longest wait of a thread for the log. A reader that reads nothing for so long is not waited
/// for again.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait at the end of the process.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// The HTTP library logs an error for each client that does not speak HTTP. A line of our own says
/// it, at debug level.
const NOISE: &str = "actix_http::h1::dispatcher=off";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log, for as long as it is needed; writes what is gathered when it is dropped.
#[must_use]
pub struct Log(Option<Arc<Lines>>);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.iter().for_each(|lines| lines.finish());
    }
}

/// Starts logging. `level` is `error`, `warn`, `info`, `debug` or `trace`; libraries stay at `warn`
/// unless it is `trace`.
pub fn init(format: LogFormat, level: &str) -> Log {
    let is_terminal = io::stderr().is_terminal();
    // Libraries may log whole requests, and so credentials: they never go below `info`.
    let filter = match level {
        "trace" => EnvFilter::new(format!("info,{NOISE},statekeep=trace")),
        _ => EnvFilter::new(format!("warn,{NOISE},statekeep={level}")),
    };
    let gathered = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stderr| Lines::to(stderr.into()))
        .ok();
    let writer = gathered.clone().map_or_else(
        || BoxMakeWriter::new(io::stderr),
        |lines| BoxMakeWriter::new(Gathering(lines)),
    );
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_span_events(FmtSpan::NONE);
    let as_json = match format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    if as_json {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init();
    } else {
        lines.with_ansi(is_terminal).with_target(false).init();
    }
    Log(gathered)
}

/// Lines on their way out. Adding one takes no lock, unless the line has to go out at once.
struct Lines {
    added: Sender<Vec<u8>>,
    /// The bytes that were added and are not written yet.
    waiting: AtomicUsize,
    /// All bytes that were ever added, and all that were written.
    all_added: AtomicU64,
    all_written: AtomicU64,
    /// The lines that were dropped and not reported yet.
    lost: AtomicU64,
    /// Whether the writer was woken and has not begun to write.
    is_due: AtomicBool,
    /// Whether it is to write at once.
    is_urgent: AtomicBool,
    /// Whether a thread has waited in vain since the last write.
    is_stuck: AtomicBool,
    /// Signals each write.
    progress: (Mutex<()>, Condvar),
    writer: OnceLock<Thread>,
}

impl Lines {
    fn to(stderr: File) -> io::Result<Arc<Self>> {
        let (adding, added) = mpsc::channel();
        let lines = Arc::new(Self {
            added: adding,
            waiting: AtomicUsize::new(0),
            all_added: AtomicU64::new(0),
            all_written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            is_due: AtomicBool::new(false),
            is_urgent: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            progress: (Mutex::new(()), Condvar::new()),
            writer: OnceLock::new(),
        });
        let writing = Arc::clone(&lines);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.run(stderr, &added))?;
        let _ = lines.writer.set(thread.thread().clone());
        Ok(lines)
    }

    fn run(&self, mut stderr: File, added: &Receiver<Vec<u8>>) {
        let mut room = Vec::new();
        loop {
            std::thread::park();
            if !self.is_urgent.load(Ordering::Acquire) {
                std::thread::park_timeout(GATHER_FOR);
            }
            // A line that was added before this is written now; one that is added later wakes this
            // thread again.
            self.is_due.swap(false, Ordering::AcqRel);
            self.is_urgent.swap(false, Ordering::AcqRel);
            self.write_out(&mut stderr, added, &mut room);
            let lost = self.lost.swap(0, Ordering::AcqRel);
            if lost > 0 {
                tracing::warn!(
                    lost,
                    "log lines were dropped, because nobody read them in time"
                );
            }
        }
    }

    fn add(&self, line: &[u8], may_wait: bool) {
        let is_full = || self.waiting.load(Ordering::Relaxed) + line.len() > MAX_WAITING;
        if is_full() {
            self.wake(true);
            self.wait(|| !is_full(), LONGEST_WAIT);
            if is_full() {
                self.lost.fetch_add(1, Ordering::AcqRel);
                return;
            }
        }
        let waiting = self.waiting.fetch_add(line.len(), Ordering::Relaxed) + line.len();
        let all = self
            .all_added
            .fetch_add(line.len() as u64, Ordering::AcqRel)
            + line.len() as u64;
        // The other end lives as long as this one.
        let _ = self.added.send(line.to_vec());
        let is_urgent = !may_wait || waiting >= MAX_GATHERED;
        self.wake(is_urgent);
        if !may_wait {
            self.wait(
                || self.all_written.load(Ordering::Acquire) >= all,
                LONGEST_WAIT,
            );
        }
    }

    fn wake(&self, is_urgent: bool) {
        let was_urgent = is_urgent && self.is_urgent.swap(true, Ordering::AcqRel);
        let was_due = self.is_due.swap(true, Ordering::AcqRel);
        let is_news = !was_due || (is_urgent && !was_urgent);
        if is_news && let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Waits for a condition, unless stderr has no reader. The writing thread never waits.
    fn wait(&self, is_so: impl Fn() -> bool, longest: Duration) {
        let is_writer = self
            .writer
            .get()
            .is_some_and(|writer| writer.id() == std::thread::current().id());
        if is_writer || self.is_stuck.load(Ordering::Acquire) {
            return;
        }
        let (mutex, condition) = &self.progress;
        let waited = condition.wait_while_for(&mut mutex.lock(), |()| !is_so(), longest);
        if waited.timed_out() {
            self.is_stuck.store(true, Ordering::Release);
        }
    }

    /// Waits a moment for what is not written yet.
    fn finish(&self) {
        self.is_stuck.store(false, Ordering::Release);
        self.wake(true);
        let all = self.all_added.load(Ordering::Acquire);
        self.wait(
            || self.all_written.load(Ordering::Acquire) >= all,
            LAST_WAIT,
        );
    }

    /// Writes all that is gathered.
    fn write_out(&self, stderr: &mut File, added: &Receiver<Vec<u8>>, room: &mut Vec<u8>) {
        for line in added.try_iter() {
            room.extend_from_slice(&line);
            if room.len() >= MAX_GATHERED {
                self.write(stderr, room);
            }
        }
        self.write(stderr, room);
    }

    fn write(&self, stderr: &mut File, lines: &mut Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        // There is nowhere left to say that the log cannot be written.
        let _ = stderr.write_all(lines);
        self.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
        self.all_written
            .fetch_add(lines.len() as u64, Ordering::AcqRel);
        self.is_stuck.store(false, Ordering::Release);
        lines.clear();
        drop(self.progress.0.lock());
        self.progress.1.notify_all();
    }
}

/// Gives each line its way out.
struct Gathering(Arc<Lines>);

/// The way of one line.
struct Way<'l> {
    lines: &'l Lines,
    may_wait: bool,
}

impl<'l> MakeWriter<'l> for Gathering {
    type Writer = Way<'l>;

    fn make_writer(&'l self) -> Way<'l> {
        Way {
            lines: &self.0,
            may_wait: false,
        }
    }

    fn make_writer_for(&'l self, line: &Metadata<'_>) -> Way<'l> {
        Way {
            lines: &self.0,
            may_wait: line.target() == REQUESTS && *line.level() >= Level::INFO,
        }
    }
}

impl Write for Way<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A name of another, in a line, cannot act on the terminal nor begin a line of its own.
        let shown = String::from_utf8_lossy(line);
        let shown = printable_log_line(&shown);
        self.lines.add(shown.as_bytes(), self.may_wait);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: usize = 4;
    /// All of them together may wait: none is lost if the writer does not get its turn.
    const LINES: usize = 1_200;
    const _: () = assert!(THREADS * LINES * 210 < MAX_WAITING);

    fn line(thread: usize, number: usize) -> String {
        format!("{thread} {number} {}\n", "x".repeat(200))
    }

    /// What is written, once it is so long; a minute is for a machine that does ten other things.
    fn written(file: &tempfile::NamedTempFile, length: usize) -> String {
        for _ in 0..6_000 {
            let text = std::fs::read_to_string(file.path()).unwrap();
            if text.len() >= length {
                return text;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{length} bytes are never written")
    }

    #[test]
    fn lines_of_a_crowd_are_written_once_and_whole_and_in_the_order_of_each_thread() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = Lines::to(file.reopen().unwrap()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let lines = &lines;
                let add = move |number| lines.add(line(thread, number).as_bytes(), true);
                scope.spawn(move || (0..LINES).for_each(add));
            }
        });
        let expected: Vec<String> = (0..THREADS)
            .map(|thread| (0..LINES).map(|number| line(thread, number)).collect())
            .collect();
        let text = written(&file, expected.iter().map(String::len).sum());
        for (thread, expected) in expected.iter().enumerate() {
            let prefix = format!("{thread} ");
            assert!(
                text.split_inclusive('\n')
                    .filter(|line| line.starts_with(&prefix))
                    .eq(expected.split_inclusive('\n')),
                "{thread}"
            );
        }
        lines.finish();
        assert_eq!(
            (
                lines.waiting.load(Ordering::Relaxed),
                lines.lost.load(Ordering::Relaxed)
            ),
            (0, 0),
            "nothing is held back"
        );
    }

    #[test]
    fn a_line_that_may_wait_goes_out_by_itself_each_time_and_before_one_that_may_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = Lines::to(file.reopen().unwrap()).unwrap();
        let mut expected = String::new();
        for number in 0..3 {
            expected += &line(0, number);
            lines.add(line(0, number).as_bytes(), true);
            assert_eq!(written(&file, expected.len()), expected);
        }
        expected += &(line(1, 0) + &line(1, 1));
        lines.add(line(1, 0).as_bytes(), true);
        let begun = crate::model::clock::monotonic();
        lines.add(line(1, 1).as_bytes(), false);
        // A writer that has not had its turn until then is not waited for.
        if begun.elapsed() < LONGEST_WAIT {
            let text = std::fs::read_to_string(file.path()).unwrap();
            assert_eq!(text, expected, "at once");
        }
        assert_eq!(written(&file, expected.len()), expected);
    }

    #[test]
    fn nobody_waits_long_for_a_reader_that_does_not_read_and_what_is_dropped_is_counted() {
        let (mut reader, writer) = io::pipe().unwrap();
        let lines = Lines::to(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        let begun = crate::model::clock::monotonic();
        let count = 2 * MAX_WAITING / line(0, 0).len();
        (0..count).for_each(|number| lines.add(line(0, number).as_bytes(), number % 100 != 0));
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "it took {:?}",
            begun.elapsed()
        );
        let lost = lines.lost.load(Ordering::Relaxed);
        assert!(
            lost > 0 && lines.waiting.load(Ordering::Relaxed) <= MAX_WAITING,
            "{lost} of {count} were dropped"
        );
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = io::Read::read_to_string(&mut reader, &mut text);
            text
        });
        lines.finish();
        let mut told = 0;
        // If the log has no reader, the line about the dropped ones goes nowhere, but they are
        // reported once.
        for _ in 0..1_000 {
            told = lost - lines.lost.load(Ordering::Relaxed);
            if told == lost {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(told, lost);
        lines.add(b"and on it goes\n", false);
        for _ in 0..1_000 {
            if lines.waiting.load(Ordering::Relaxed) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(lines.waiting.load(Ordering::Relaxed), 0);
        drop(reading);
    }
}
