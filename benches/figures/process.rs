//! Processes that are measured: the server and the rivals, started on ports and directories of
//! their own and ended with their value.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use statekeep::config::MIB;
use tempfile::TempDir;

use crate::Res;
use crate::wire::{Connection, Request};

/// How many clock ticks a second `/proc` counts in, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// How many KiB, the unit of `/proc`, a MiB has.
const KIB_PER_MIB: f64 = 1024.0;
/// What comes before a rival's name in the arguments of this program.
pub(crate) const RIVAL: &str = "--rival";
/// The rival that is the server itself, but compacts nothing; its argument is a data directory.
pub(crate) const COMPACTS_NOTHING: &str = "compacts-nothing";
/// What the server and the rivals say when they take requests, with TLS and without.
pub(crate) const LISTENING: &str = "listening on http://";
const LISTENING_WITH_TLS: &str = "listening on https://";
/// An address that the system finds a free port for.
pub(crate) const ANY_PORT: &str = "127.0.0.1:0";

/// How long a sync takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// As long as the disk takes.
    Disk,
    /// So many microseconds longer, held up by strace.
    Slower(u32),
}

impl Sync {
    fn command(self, program: &Path) -> Command {
        let Self::Slower(microseconds) = self else {
            return Command::new(program);
        };
        let mut strace = Command::new("strace");
        // `-D` keeps the process our own child; seccomp lets every other call run at full speed.
        let quiet = [
            "-D",
            "-f",
            "-qq",
            "--seccomp-bpf",
            "-e",
            "signal=none",
            "-o",
            "/dev/null",
        ];
        strace
            .args(quiet)
            .args(["-e", "trace=fsync,fdatasync", "-e"]);
        strace
            .arg(format!("inject=fsync,fdatasync:delay_exit={microseconds}"))
            .arg(program);
        strace
    }
}

/// A directory on the real disk, beside what cargo builds.
pub(crate) fn directory() -> Res<TempDir> {
    Ok(tempfile::Builder::new()
        .prefix("figures-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// The program that is measured: the one beside this, unless a variable names another one.
pub(crate) fn program() -> PathBuf {
    let given = std::env::var_os("STATEKEEP_BIN").map(PathBuf::from);
    given.unwrap_or_else(|| env!("CARGO_BIN_EXE_statekeep").into())
}

/// A path as an argument.
pub(crate) fn as_text(path: &Path) -> Res<&str> {
    Ok(path.to_str().ok_or("a path that is not text")?)
}

/// How large a file is, in whole MiB.
pub(crate) fn mebibytes(file: &Path) -> Res<f64> {
    Ok(f64::from(u32::try_from(
        std::fs::metadata(file)?.len() / MIB,
    )?))
}

/// Memory of a process in MiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// What is resident now.
    pub(crate) now: f64,
    /// What of that is mapped from files, most of it the program itself; the system can take it
    /// back at any time.
    pub(crate) mapped: f64,
    /// The most that ever was.
    pub(crate) peak: f64,
}

/// The memory of a process by its id.
pub(crate) fn memory_of(id: u32) -> Res<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let field = |name: &str| -> Res<f64> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .ok_or("an unknown form of /proc/PID/status")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / KIB_PER_MIB)
    };
    Ok(Memory {
        now: field("VmRSS:")?,
        mapped: field("RssFile:")?,
        peak: field("VmHWM:")?,
    })
}

/// A process with a pipe to it and one from it. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    address: Option<SocketAddr>,
}

impl Process {
    /// Starts a rival by its name.
    pub(crate) fn rival(args: &[&str], sync: Sync) -> Res<Self> {
        Self::rival_logging(args, sync, Stdio::inherit())
    }

    /// Starts a rival whose errors go somewhere.
    pub(crate) fn rival_logging(args: &[&str], sync: Sync, errors: Stdio) -> Res<Self> {
        let program = std::env::current_exe()?;
        let args: Vec<&str> = std::iter::once(RIVAL).chain(args.iter().copied()).collect();
        Self::spawn(&program, &args, sync, errors)?.listening()
    }

    /// Starts a process and does not wait for it.
    fn spawn(program: &Path, args: &[&str], sync: Sync, errors: Stdio) -> Res<Self> {
        let mut command = sync.command(program);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STATEKEEP_"))
        {
            command.env_remove(name);
        }
        let spawned = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn();
        let mut child = spawned.map_err(|error| {
            format!("cannot start {}: {error}", command.get_program().display())
        })?;
        let to = child.stdin.take().ok_or("no pipe")?;
        let from = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Self {
            child,
            to,
            from,
            address: None,
        })
    }

    /// Waits until it says where it listens, or anything else.
    fn listening(mut self) -> Res<Self> {
        let first = self.hear()?;
        let plain = first.strip_prefix(LISTENING);
        let address = plain.or_else(|| first.strip_prefix(LISTENING_WITH_TLS));
        self.address = address.map(str::parse).transpose()?;
        Ok(self)
    }

    /// Where it takes requests.
    pub(crate) fn address(&self) -> Res<SocketAddr> {
        Ok(self.address.ok_or("a process that takes no requests")?)
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives it a line.
    pub(crate) fn say(&mut self, line: &str) -> Res<()> {
        writeln!(self.to, "{line}")?;
        Ok(self.to.flush()?)
    }

    /// Waits for its next line.
    pub(crate) fn hear(&mut self) -> Res<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err("a process ended before it said anything".into());
        }
        Ok(line.trim().to_owned())
    }

    /// How many seconds of processor it has used, in its own code and in the kernel.
    pub(crate) fn cpu_seconds(&self) -> Res<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program is in parentheses and may hold anything; state is the first field
        // behind it, times the 12th and 13th.
        let (_, fields) = stat
            .rsplit_once(')')
            .ok_or("an unknown form of /proc/PID/stat")?;
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<f64>)
            .sum::<Result<f64, std::num::ParseFloatError>>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// How many seconds of processor its threads have used, exact enough for one request. Threads
    /// that have ended are not in it.
    pub(crate) fn exact_cpu_seconds(&self) -> Res<f64> {
        let mut nanoseconds = 0.0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.id()))? {
            // A thread may end meanwhile.
            let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let first = text.split(' ').next().unwrap_or_default();
            nanoseconds += first.parse::<f64>().unwrap_or_default();
        }
        Ok(nanoseconds / 1e9)
    }

    /// How many bytes it has given to the disk.
    pub(crate) fn written_bytes(&self) -> Res<f64> {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.id()))?;
        let line = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes:"));
        Ok(line
            .ok_or("an unknown form of /proc/PID/io")?
            .trim()
            .parse()?)
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> Res<Memory> {
        memory_of(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn admin_secret(data: &Path) -> Res<String> {
    Ok(std::fs::read_to_string(data.join("initial-admin-key"))?
        .trim()
        .to_owned())
}

/// A server that runs, and its admin's secret.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) secret: String,
    /// Where its database is.
    pub(crate) data: PathBuf,
    _temp: Option<TempDir>,
}

impl Server {
    /// A server with a data directory of its own that goes away with it.
    pub(crate) fn start(sync: Sync, flags: &[&str]) -> Res<Self> {
        let temp = directory()?;
        let process = Self::spawn(&temp.path().join("data"), ANY_PORT, sync, flags)?;
        Self::of(process, &temp.path().join("data"), Some(temp))
    }

    /// A server on a data directory that stays.
    pub(crate) fn on(data: &Path, flags: &[&str]) -> Res<Self> {
        Self::of(Self::spawn(data, ANY_PORT, Sync::Disk, flags)?, data, None)
    }

    /// Starts the program with a log beside its data directory, and does not wait for it.
    pub(crate) fn spawn(data: &Path, listen: &str, sync: Sync, flags: &[&str]) -> Res<Process> {
        let log: PathBuf = data.with_extension("log");
        let args = [
            &["serve", "--listen", listen, "--data", as_text(data)?],
            flags,
        ]
        .concat();
        Process::spawn(&program(), &args, sync, File::create(log)?.into())
    }

    /// The same server on a data directory that stays, but that it compacts nothing: a rival.
    pub(crate) fn that_compacts_nothing(data: &Path) -> Res<Self> {
        let log = File::create(data.with_extension("log"))?;
        let process =
            Process::rival_logging(&[COMPACTS_NOTHING, as_text(data)?], Sync::Disk, log.into())?;
        let secret = admin_secret(data)?;
        Ok(Self {
            process,
            secret,
            data: data.to_owned(),
            _temp: None,
        })
    }

    /// A server that was started on a data directory, as soon as it takes requests.
    pub(crate) fn of(process: Process, data: &Path, temp: Option<TempDir>) -> Res<Self> {
        let process = process.listening()?;
        let secret = admin_secret(data)?;
        Ok(Self {
            process,
            secret,
            data: data.to_owned(),
            _temp: temp,
        })
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Res<Connection> {
        Connection::open(self.process.address()?)
    }

    /// What it has counted and measured so far.
    pub(crate) fn metrics(&self) -> Res<Metrics> {
        let text = self
            .connect()?
            .exchange(&Request::get("/metrics", &self.secret))?
            .to_vec();
        Ok(Metrics(String::from_utf8(text)?))
    }

    /// Asks it to leave, and waits until its data directory is in good order.
    pub(crate) fn stop(mut self) -> Res<()> {
        kill_process(Pid::from_child(&self.process.child), Signal::TERM)?;
        let status = self.process.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the server left with {status}").into())
        }
    }
}

/// What a server has counted and measured, at one moment.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The value of a metric without labels.
    pub(crate) fn value(&self, name: &str) -> Res<f64> {
        let wanted = format!("statekeep_{name} ");
        let line = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix(&wanted))
            .ok_or_else(|| format!("no metric {wanted}"))?;
        Ok(line.trim().parse()?)
    }

    /// How much was added to a histogram since an earlier moment: how often, and how much in all.
    pub(crate) fn since(&self, earlier: &Self, histogram: &str) -> Res<(f64, f64)> {
        let of = |name: String| {
            Ok::<f64, Box<dyn std::error::Error + Send + std::marker::Sync>>(
                self.value(&name)? - earlier.value(&name)?,
            )
        };
        Ok((
            of(format!("{histogram}_count"))?,
            of(format!("{histogram}_sum"))?,
        ))
    }
}
