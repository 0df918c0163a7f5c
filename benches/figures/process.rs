//! Processes that are measured: the server and the rivals, started on ports and directories of their own and ended with their value.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::{Res, rivals};

/// How many clock ticks a second `/proc` counts in, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// What the server and the rivals say when they take requests.
pub(crate) const LISTENING: &str = "listening on http://";

/// How long a sync takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// As long as the disk takes.
    Disk,
    /// So many microseconds longer, held up by strace.
    Slower(u32),
}

/// A directory on the real disk, beside what cargo builds.
pub(crate) fn directory() -> Res<TempDir> {
    Ok(tempfile::Builder::new().prefix("figures-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
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
        let program = std::env::current_exe()?;
        let args: Vec<&str> = std::iter::once(rivals::FLAG).chain(args.iter().copied()).collect();
        Self::start(&program, &args, sync, Stdio::inherit())
    }

    fn start(program: &Path, args: &[&str], sync: Sync, errors: Stdio) -> Res<Self> {
        let mut command = match sync {
            Sync::Disk => Command::new(program),
            Sync::Slower(microseconds) => {
                let mut strace = Command::new("strace");
                // `-D` keeps the process our own child; seccomp lets every other call run at full speed.
                strace.args([
                    "-D",
                    "-f",
                    "-qq",
                    "--seccomp-bpf",
                    "-e",
                    "signal=none",
                    "-o",
                    "/dev/null",
                    "-e",
                    "trace=fsync,fdatasync",
                    "-e",
                ]);
                strace.arg(format!("inject=fsync,fdatasync:delay_exit={microseconds}")).arg(program);
                strace
            }
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STATEKEEP_")) {
            command.env_remove(name);
        }
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn()?;
        let to = child.stdin.take().ok_or("no pipe")?;
        let from = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let mut process = Self { child, to, from, address: None };
        let first = process.hear()?;
        process.address = first.strip_prefix(LISTENING).map(str::parse).transpose()?;
        Ok(process)
    }

    /// Where it takes requests.
    pub(crate) fn address(&self) -> Res<SocketAddr> {
        Ok(self.address.ok_or("a process that takes no requests")?)
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
        // The name of the program is in parentheses and may hold anything; state is the first field behind it, times the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')').ok_or("an unknown form of /proc/PID/stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, std::num::ParseFloatError>>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server with a data directory of its own, and its admin's secret.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) secret: String,
    _data: TempDir,
}

impl Server {
    pub(crate) fn start(sync: Sync) -> Res<Self> {
        let temp = directory()?;
        let data: PathBuf = temp.path().join("data");
        let log = File::create(temp.path().join("log"))?;
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().ok_or("a path that is not text")?];
        let process = Process::start(Path::new(env!("CARGO_BIN_EXE_statekeep")), &args, sync, log.into())?;
        let secret = std::fs::read_to_string(data.join("initial-admin-key"))?.trim().to_owned();
        Ok(Self { process, secret, _data: temp })
    }
}
