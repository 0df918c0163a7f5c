//! At a terminal the command is a job of its own: it has the terminal while it runs, gets what is
//! typed once and what is sent to the whole job once, and stops and goes on with the job.

use std::io::Write as _;
use std::process::{Child, ChildStdin};

use super::signals::{listening, send, stat};
use super::*;
use crate::harness::with_usual_signals;
use crate::skip;

/// A terminal: what it is given is typed, and its end is the program's.
const TERMINAL: &str = r#"
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
watched, parent = [0, terminal], os.getppid()
while os.getppid() == parent:
    for ready in select.select(watched, [], [], 1)[0]:
        try:
            data = os.read(ready, 4096)
        except OSError:
            data = b""
        if ready == terminal and not data:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if not data:
            watched.remove(0)
        os.write(1 if ready == terminal else terminal, data)
os.kill(pid, 9)
"#;

/// A program at a terminal of its own.
struct Terminal {
    python: Child,
    keys: ChildStdin,
}

impl Terminal {
    fn start(site: &Site, words: &[&std::ffi::OsStr]) -> Option<Self> {
        let python = skip::program("python3", "STATEKEEP_PYTHON")?;
        let mut command = Command::new(python);
        command
            .args(["-c", TERMINAL])
            .args(words)
            .env("STATEKEEP_URL", site.server.url())
            .env_remove("TF_WORKSPACE")
            .env_remove("ENV");
        let mut python = with_usual_signals(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let keys = python.stdin.take().expect("piped");
        Some(Self { python, keys })
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// How the program ended, and what was on the screen.
    fn ends(self) -> (Option<i32>, String) {
        let output = self.python.wait_with_output().expect("it ends");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}

/// As `docker run -it` starts it: the first process of its session, which nobody could let go on.
#[test]
fn the_command_has_it_and_gets_each_signal_once() {
    let Some(site) = listening() else { return };
    let command = site.apply();
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .collect();
    let Some(mut terminal) = Terminal::start(&site, &words) else {
        return;
    };
    site.reached("command");
    let run = only_child(terminal.python.id());
    let child = only_child(run);
    assert_eq!(
        (stat(child).1, stat(child).2),
        (child, i64::from(child)),
        "a group of its own, in front, also behind an init that had it"
    );
    terminal.types("\x03");
    eventually("the command gets it", || site.signals() == ["INT"]);
    site.sent("TERM", &format!("-{run}"));
    site.sent("USR1", &run.to_string());
    assert_eq!(site.signals(), ["INT", "TERM", "USR1"]);
    terminal.types("\x1a");
    site.sent("HUP", &run.to_string());
    assert_ne!(
        stat(run).0,
        "T",
        "nobody could let it go on, so it did not stop"
    );
    send("USR2", &run.to_string());
    let (code, screen) = terminal.ends();
    assert_eq!(code, Some(5), "{screen}");
    assert!(!site.path(FILE).exists());
    site.expect_no_token_left();
}

/// The job of a shell, with another program in it.
#[test]
fn a_shell_has_it_as_any_other_job() {
    let Some(site) = listening() else { return };
    let command = site.apply();
    let words = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned());
    let line = words.collect::<Vec<_>>().join(" ");
    let Some(mut shell) = Terminal::start(&site, &["/bin/sh", "-i"].map(std::ffi::OsStr::new))
    else {
        return;
    };
    shell.types(&format!("{line} 2>&1 | (trap '' INT; exec cat)\n"));
    site.reached("command");
    let sh = only_child(shell.python.id());
    let job = crate::harness::children(sh);
    let run = *job
        .iter()
        .find(|pid| !crate::harness::children(**pid).is_empty())
        .expect("the run");
    let child = only_child(run);
    let all = || job.iter().copied().chain([child]);
    assert_eq!(
        stat(child).2,
        i64::from(child),
        "the terminal is the command's"
    );

    shell.types("\x1a");
    eventually("the whole job stands still", || {
        all().all(|pid| stat(pid).0 == "T")
    });
    eventually("the shell has the terminal", || stat(sh).2 == i64::from(sh));
    shell.types("bg\n");
    eventually("the whole job goes on", || {
        all().all(|pid| stat(pid).0 != "T")
    });
    shell.types("kill -INT %1\n");
    eventually("the command gets it", || !site.signals().is_empty());
    site.sent("USR1", &run.to_string());
    assert_eq!(
        site.signals(),
        ["INT", "USR1"],
        "once, though the whole job was meant"
    );

    // This shell says no word of it to a job that runs.
    shell.types("fg\n");
    eventually("the job is in front", || stat(sh).2 != i64::from(sh));
    shell.types("\x1a");
    eventually("the whole job stands still", || {
        all().all(|pid| stat(pid).0 == "T")
    });
    shell.types("fg\n");
    eventually("the terminal is the command's", || {
        stat(child).2 == i64::from(child) && all().all(|pid| stat(pid).0 != "T")
    });
    shell.types("\x1c");
    eventually("the command gets what is typed", || {
        site.signals().contains(&"QUIT".to_owned())
    });
    send("USR2", &run.to_string());
    eventually("the run ends", || {
        !is_there(Path::new(&format!("/proc/{run}")))
    });
    shell.types("echo back-$((40 + 2))\nexit\nexit\n");
    let (_, screen) = shell.ends();
    assert!(
        screen.contains("back-42"),
        "the shell has its terminal: {screen}"
    );
    assert_eq!(site.signals(), ["INT", "USR1", "QUIT", "USR2"]);
    assert!(!site.path(FILE).exists());
    site.expect_no_token_left();
}
