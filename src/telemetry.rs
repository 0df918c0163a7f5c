//! Logs: text where a person looks, JSON lines where a machine does, always on stderr.
//!
//! A line about a request waits at most 5 ms for others, and they go out together: one call to the system for each would cost a busy server
//! a tenth of its time. Everything else goes out at once, after what was gathered before it. The last few lines about requests are lost when the
//! process is killed; who read or changed what is in the event log.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// The target of lines about requests that were answered.
pub const REQUESTS: &str = "statekeep::http::trace";

/// For how long lines about requests are gathered.
const GATHER_FOR: Duration = Duration::from_millis(5);
/// Once so many bytes are gathered, whoever adds a line writes them all, and so nobody logs faster than somebody reads.
const MAX_GATHERED: usize = 256 * 1024;

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
        self.0.iter().for_each(|lines| lines.write_out());
    }
}

/// Starts logging. `level` is `error`, `warn`, `info`, `debug` or `trace`; libraries stay at `warn` unless it is `trace`.
pub fn init(format: LogFormat, level: &str) -> Log {
    let is_terminal = io::stderr().is_terminal();
    // Libraries may log whole requests, and so credentials: they never go below `info`.
    let filter = match level {
        "trace" => EnvFilter::new("info,statekeep=trace"),
        _ => EnvFilter::new(format!("warn,statekeep={level}")),
    };
    let gathered = io::stderr().as_fd().try_clone_to_owned().and_then(|stderr| Lines::to(stderr.into())).ok();
    let writer = gathered.clone().map_or_else(|| BoxMakeWriter::new(io::stderr), |lines| BoxMakeWriter::new(Gathering(lines)));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_span_events(FmtSpan::NONE);
    let as_json = match format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    if as_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        lines.with_ansi(is_terminal).with_target(false).init();
    }
    Log(gathered)
}

/// Lines on their way out. Who adds one takes no lock: a thread that has to wait for another one keeps all of its connections waiting.
struct Lines {
    added: Sender<Vec<u8>>,
    /// The bytes that were added and are not written yet.
    gathered: AtomicUsize,
    /// Whether the writer was woken and has not begun to write.
    is_due: AtomicBool,
    out: Mutex<Out>,
    /// Writes what was gathered a while after it is woken.
    writer: OnceLock<Thread>,
}

/// Where lines go, one writer at a time, and the room for those that it writes.
struct Out {
    stderr: File,
    added: Receiver<Vec<u8>>,
    lines: Vec<u8>,
}

impl Lines {
    fn to(stderr: File) -> io::Result<Arc<Self>> {
        let (adding, added) = mpsc::channel();
        let out = Out { stderr, added, lines: Vec::new() };
        let (gathered, is_due) = (AtomicUsize::new(0), AtomicBool::new(false));
        let lines = Arc::new(Self { added: adding, gathered, is_due, out: Mutex::new(out), writer: OnceLock::new() });
        let writing = Arc::clone(&lines);
        let run = move || {
            loop {
                std::thread::park();
                std::thread::sleep(GATHER_FOR);
                // A line that was added before this is written now; one that is added later wakes this thread again.
                writing.is_due.swap(false, Ordering::AcqRel);
                writing.write_out();
            }
        };
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(run)?;
        let _ = lines.writer.set(thread.thread().clone());
        Ok(lines)
    }

    fn add(&self, line: &[u8], may_wait: bool) {
        let gathered = self.gathered.fetch_add(line.len(), Ordering::Relaxed) + line.len();
        // The other end lives as long as this one.
        let _ = self.added.send(line.to_vec());
        if gathered >= MAX_GATHERED || !may_wait {
            self.write_out();
        } else if !self.is_due.swap(true, Ordering::AcqRel)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// Writes all that is gathered, after whatever is being written.
    fn write_out(&self) {
        let mut out = open(&self.out);
        let Out { stderr, added, lines } = &mut *out;
        for line in added.try_iter() {
            lines.extend_from_slice(&line);
            if lines.len() >= MAX_GATHERED {
                self.write(stderr, lines);
            }
        }
        self.write(stderr, lines);
    }

    fn write(&self, stderr: &mut File, lines: &mut Vec<u8>) {
        // There is nowhere left to say that the log cannot be written.
        let _ = stderr.write_all(lines);
        self.gathered.fetch_sub(lines.len(), Ordering::Relaxed);
        lines.clear();
    }
}

/// Bytes are valid after each statement, so a panic elsewhere does no harm to them.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        Way { lines: &self.0, may_wait: false }
    }

    fn make_writer_for(&'l self, line: &Metadata<'_>) -> Way<'l> {
        Way { lines: &self.0, may_wait: line.target() == REQUESTS && *line.level() >= Level::INFO }
    }
}

impl Write for Way<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.add(line, self.may_wait);
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
    const LINES: usize = 5_000;

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
                scope.spawn(move || (0..LINES).for_each(|number| lines.add(line(thread, number).as_bytes(), true)));
            }
        });
        let expected: Vec<String> = (0..THREADS).map(|thread| (0..LINES).map(|number| line(thread, number)).collect()).collect();
        let text = written(&file, expected.iter().map(String::len).sum());
        for (thread, expected) in expected.iter().enumerate() {
            let prefix = format!("{thread} ");
            assert!(text.split_inclusive('\n').filter(|line| line.starts_with(&prefix)).eq(expected.split_inclusive('\n')), "{thread}");
        }
        drop(open(&lines.out));
        assert_eq!(lines.gathered.load(Ordering::Relaxed), 0, "nothing is held back");
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
        lines.add(line(1, 1).as_bytes(), false);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), expected, "at once");
    }

    #[test]
    fn no_more_is_gathered_than_may_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = Lines::to(file.reopen().unwrap()).unwrap();
        let half = vec![b'x'; MAX_GATHERED / 2];
        // As if the thread that writes were about to.
        lines.is_due.store(true, Ordering::Release);
        lines.add(&half, true);
        assert_eq!(file.as_file().metadata().unwrap().len(), 0);
        lines.add(&half, true);
        assert_eq!(file.as_file().metadata().unwrap().len(), 2 * half.len() as u64);
    }
}
