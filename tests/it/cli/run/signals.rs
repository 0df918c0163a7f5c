//! Signals: the command gets each once, whoever sends it to whom; and one that comes before the
//! command ends the run in good order.

use std::os::unix::process::CommandExt as _;
use std::process::Child;
use std::time::{Duration, Instant};

use super::*;
use crate::harness::with_usual_signals;
use crate::skip;

/// Writes down each signal that it gets, and ends with 5 at USR2.
const LISTENER: &str = r#"
import os, signal, sys
seen = os.path.dirname(os.path.realpath(__file__))
if "init" in sys.argv:
    sys.exit(0)
names = ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"]
wanted = {getattr(signal, "SIG" + name) for name in names}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
open(seen + "/reached-command", "w").close()
while True:
    got = signal.sigwait(wanted)
    with open(seen + "/signals", "a") as log:
        log.write(signal.Signals(got).name[3:] + "\n")
    if got == signal.SIGUSR2:
        sys.exit(5)
"#;

/// A site whose command is a listener; none where there is no Python.
pub(super) fn listening() -> Option<Site> {
    let python = skip::program("python3", "STATEKEEP_PYTHON")?;
    let site = Site::new();
    site.program("terraform", &format!("#!{}\n{LISTENER}", python.display()));
    Some(site)
}

impl Site {
    fn start(&self, command: &Command) -> Child {
        let mut command = with_usual_signals(command);
        let run = command
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        self.reached("command");
        run
    }

    pub(super) fn signals(&self) -> Vec<String> {
        self.seen("signals")
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Sends a signal that the command gets, and so all that came before it.
    #[track_caller]
    pub(super) fn sent(&self, signal: &str, to: &str) {
        let before = self.signals().len();
        send(signal, to);
        eventually("the command gets it", || {
            self.signals()[before..].iter().any(|got| got == signal)
        });
    }

    #[track_caller]
    fn ends_with_5(&self, run: Child) {
        send("USR2", &run.id().to_string());
        let output = run.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
        assert!(!self.path(FILE).exists());
    }
}

/// To a process, or with a minus to a group.
pub(super) fn send(signal: &str, to: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -s {signal} -- {to}")])
        .status()
        .expect("a shell");
    assert!(sent.success());
}

/// The letter by which the kernel tells what a process does, its group, and the group in front at
/// its terminal.
pub(super) fn stat(pid: u32) -> (String, u32, i64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_whitespace()
        .collect();
    (
        fields[0].to_owned(),
        fields[2].parse().expect("a number"),
        fields[5].parse().expect("a number"),
    )
}

#[test]
fn each_is_handed_on_once() {
    let Some(site) = listening() else { return };
    let run = site.start(&site.apply());
    let pid = run.id().to_string();
    for signal in ["INT", "TERM", "HUP", "QUIT"] {
        site.sent(signal, &pid);
        // The same again a moment later is the same one, also when the whole group is meant.
        send(signal, &pid);
        send(signal, &format!("-{pid}"));
    }
    site.sent("USR1", &pid);
    assert_eq!(site.signals(), ["INT", "TERM", "HUP", "QUIT", "USR1"]);
    site.ends_with_5(run);
    site.expect_no_token_left();
}

#[test]
fn the_whole_group_is_not_the_commands() {
    let Some(site) = listening() else { return };
    let run = site.start(&site.apply());
    let child = only_child(run.id());
    assert_eq!(
        (stat(run.id()).1, stat(child).1),
        (run.id(), child),
        "groups of their own"
    );
    site.sent("TERM", &format!("-{}", run.id()));
    site.sent("USR1", &run.id().to_string());
    assert_eq!(site.signals(), ["TERM", "USR1"]);
    site.ends_with_5(run);
}

#[test]
fn a_later_one_is_another_one() {
    let Some(site) = listening() else { return };
    let run = site.start(&site.apply());
    let pid = run.id().to_string();
    site.sent("INT", &pid);
    let first = Instant::now();
    eventually("it is handed on again", || {
        send("INT", &pid);
        site.signals().len() > 1
    });
    assert!(
        first.elapsed() > Duration::from_millis(1_800),
        "{:?}",
        first.elapsed()
    );
    site.ends_with_5(run);
}

#[test]
fn what_was_ignored_stays_ignored() {
    let Some(site) = listening() else { return };
    let command = site.apply();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    shell
        .env("STATEKEEP_URL", site.server.url())
        .env_remove("TF_WORKSPACE");
    let run = site.start(&shell);
    send("HUP", &run.id().to_string());
    site.sent("TERM", &run.id().to_string());
    assert_eq!(site.signals(), ["TERM"]);
    site.ends_with_5(run);
}

#[test]
fn it_stops_and_goes_on_with_the_command() {
    let Some(site) = listening() else { return };
    let run = site.start(&site.apply());
    let child = only_child(run.id());
    let both = |letter: &str| {
        [run.id(), child]
            .iter()
            .all(|pid| (stat(*pid).0 == "T") == (letter == "T"))
    };
    send("TSTP", &run.id().to_string());
    eventually("both stand still", || both("T"));
    send("CONT", &run.id().to_string());
    eventually("both go on", || both("S"));
    site.ends_with_5(run);
}

#[test]
fn before_the_command_it_ends_the_run() {
    let site = Site::new();
    site.close("init");
    let run = site.apply().process_group(0).spawn().expect("it runs");
    site.reached("init");
    send("TERM", &run.id().to_string());
    let output = run.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("signal 15 came before"),
        "{}",
        stderr(&output)
    );
    assert_eq!(site.calls(), ["init -input=false"], "which got it as well");
    assert!(!site.path(FILE).exists());
    site.expect_no_token_left();
}

#[test]
fn a_server_that_is_slow_is_not_waited_for() {
    let site = Site::new();
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (keep, kept) = std::sync::mpsc::channel::<()>();
    let url = super::super::stub(move |_| {
        let _ = asked.send(());
        let _ = kept.recv();
        String::new()
    });
    let run = site
        .command(&["--url", &url], &[&site.terraform(), "apply"])
        .process_group(0)
        .spawn()
        .expect("it runs");
    was_asked
        .recv_timeout(crate::harness::PATIENCE)
        .expect("it logs in");
    send("TERM", &run.id().to_string());
    let output = run.wait_with_output().expect("it ends");
    drop(keep);
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(site.calls().is_empty() && !site.path(FILE).exists());
}

impl Site {
    #[track_caller]
    pub(super) fn expect_no_token_left(&self) {
        let count = |kind: &str| self.server.admin().events(&format!("kind={kind}")).len();
        assert_eq!((count("login"), count("token.end")), (1, 1));
    }
}
